//! The configuration file: any text is refused with findings, or resolved to values that hold what they promise.

use config::{Config, Finding, Severity, Tls, examine, has_errors};

/// Any text as a configuration file.
pub(crate) fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match examine(&text) {
        Ok((config, findings)) => {
            assert!(!has_errors(&findings), "an error is let through");
            check_findings(&findings);
            check_values(&config);
        }
        Err(findings) => {
            assert!(has_errors(&findings), "refused without an error");
            check_findings(&findings);
        }
    }
}

fn check_findings(findings: &[Finding]) {
    for finding in findings {
        assert!(!finding.key.is_empty() && !finding.problem.is_empty() && !finding.advice.is_empty());
        let word = match finding.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        assert!(finding.to_string().starts_with(word));
    }
}

fn check_values(config: &Config) {
    assert!(config.state_directory.is_absolute());
    assert!(config.control_socket().starts_with(&config.state_directory));
    let limits = &config.limits;
    for number in [limits.send_rate.per_minute, limits.send_rate.burst, limits.recipients, limits.connections]
    {
        assert!(number > 0, "a limit of nothing");
    }
    for bytes in [limits.message_size, limits.quota] {
        assert!((1024..=u64::MAX / 2).contains(&bytes), "a size of {bytes}");
    }
    let days = [config.expiry.keep_days, config.expiry.keep_large_days, config.expiry.inactive_days.into()];
    assert!(!days.contains(&0), "a time of nothing");
    // The server must take what pairing and clients make up: names of 9 characters, passwords of 22.
    let accounts = &limits.accounts;
    assert!((accounts.name_min..=accounts.name_max).contains(&9) && accounts.password_min <= 22);
    for text in [&config.about.comment, &config.about.admin].into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?} would break an answer");
    }
    if let Tls::SelfSigned { names } = &config.tls {
        assert!(names.iter().all(|name| !name.is_empty() && !name.contains(char::is_whitespace)));
    }
    if let Some(service) = &config.push.service {
        assert!(service.host().is_some() && matches!(service.scheme_str(), Some("https" | "http")));
    }
}
