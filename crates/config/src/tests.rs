//! The sample equals the defaults, unknown keys are refused in every table, and findings come all at once.

use relay_policy::Registration;
use tls::Roots;

use super::advice::SAMPLE;
use super::{Config, Finding, Severity, Tls, examine};

/// All tables.
const TABLES: [&str; 13] = [
    "listen",
    "tls",
    "limits",
    "expiry",
    "pairing",
    "about",
    "push",
    "metrics",
    "federation",
    "dns",
    "acme",
    "dns_provider",
    "router",
];

fn config(text: &str) -> Config {
    examine(text).expect("a valid configuration").0
}

fn findings(text: &str) -> Vec<(String, Severity)> {
    let found = match examine(text) {
        Ok((_, findings)) | Err(findings) => findings,
    };
    found.into_iter().map(|Finding { key, severity, .. }| (key, severity)).collect()
}

/// The sample with every default in force: a line that begins with `#` and no space is a key.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_equals_the_defaults() {
    assert_eq!(config(SAMPLE), config(""));
    assert_eq!(config(&uncommented()), config(""));
    assert_ne!(uncommented(), SAMPLE);
}

#[test]
fn the_sample_shows_every_key() {
    let sample: toml::Table = uncommented().parse().unwrap();
    for table in TABLES {
        let problem = examine(&format!("{table}.bogus = 1")).unwrap_err();
        let (_, keys) = problem[0].advice.split_once(": ").unwrap();
        for key in keys.trim_end_matches('.').split(", ") {
            assert!(sample[table].get(key).is_some(), "{table}.{key} is missing in the sample");
        }
    }
}

#[test]
fn an_unknown_key_is_refused_in_every_table() {
    assert_eq!(findings("bogus = 1"), [("bogus".into(), Severity::Error)]);
    for table in TABLES {
        let text = uncommented().replace(&format!("[{table}]"), &format!("[{table}]\nbogus = 1"));
        assert_eq!(findings(&text), [(format!("{table}.bogus"), Severity::Error)]);
    }
}

#[test]
fn all_findings_come_at_once() {
    let text = r#"
        domain = "not a domain"
        registration = "maybe"
        state_directory = "relative"
        spam_filter = true
        [listen]
        imaps = ["993"]
        [tls]
        key = "/key.pem"
        [limits]
        quota = "much"
        send_burst = 0
        username_min = 70
    "#;
    let keys: Vec<String> = findings(text).into_iter().map(|(key, _)| key).collect();
    let expected = [
        "listen.imaps",
        "tls.certificate",
        "limits.quota",
        "limits.send_burst",
        "limits.username_min",
        "domain",
        "registration",
        "state_directory",
        "spam_filter",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn sizes_and_times_may_have_units() {
    let plain = config(
        "[limits]\nmessage_size = 5000000\nquota = 5368709120\nregistration_free_disk = 0\n\
         [expiry]\nmessages_days = 14\nlarge_message = 1000\ninactive_accounts_days = 365\n",
    );
    let with_units = config(
        "[limits]\nmessage_size = \"5 MB\"\nquota = \"5GiB\"\nregistration_free_disk = \"0\"\n\
         [expiry]\nmessages_days = \"2 weeks\"\nlarge_message = \"1 kB\"\ninactive_accounts_days = \"365 days\"\n",
    );
    assert_eq!(with_units, plain);
    let text = "[limits]\nquota = \"5 G\"\nmessage_size = \"1 kB\"\nregistration_free_memory = -1\n\
                [expiry]\nmessages_days = \"0 days\"\ninactive_accounts_days = \"1 year\"\nlarge_message = 1.5\n";
    let told: Vec<String> = examine(text).unwrap_err().iter().map(Finding::to_string).collect();
    for (key, problem) in [
        ("limits.message_size", "\"1 kB\" is too little: the least is 1024, in bytes. "),
        ("limits.quota", "\"5 G\" is no size. Allowed is a number of bytes, or a text with a unit as "),
        ("limits.registration_free_memory", "-1 is no size. "),
        ("expiry.messages_days", "\"0 days\" is too little: the least is 1, in days. "),
        ("expiry.large_message", "1.5 is no size. "),
        ("expiry.inactive_accounts_days", "\"1 year\" is no time. Allowed is a number of days, or "),
    ] {
        let wanted = format!("error: {key}: {problem}");
        assert!(told.iter().any(|line| line.starts_with(&wanted)), "{wanted:?} is not in {told:#?}");
    }
    assert_eq!(told.len(), 6);
}

#[test]
fn a_file_that_is_no_toml_is_one_finding() {
    assert_eq!(findings("domain = \n"), [("file".into(), Severity::Error)]);
}

#[test]
fn silent_services_are_a_warning() {
    let text = "[listen]\nimaps = []\nimap = []\nsubmissions = []\nsubmission = []\nhttps = []\n";
    let expected =
        [("listen.imaps".into(), Severity::Warning), ("listen.submissions".into(), Severity::Warning)];
    assert_eq!(findings(text), expected);
}

#[test]
fn every_way_of_registration_can_be_chosen() {
    for (text, expected) in [
        ("open", Registration::Open),
        ("pairing", Registration::Pairing),
        ("invite", Registration::Invite),
        ("closed", Registration::Closed),
    ] {
        let (config, findings) = examine(&format!("registration = \"{text}\"")).unwrap();
        assert_eq!((config.registration, findings), (expected, vec![]));
    }
}

#[test]
fn tokens_are_sent_by_https_or_to_this_machine_only() {
    let service = |url: &str| {
        let examined = examine(&format!("push.url = {url:?}"));
        examined.ok().map(|(config, _)| config.push.service.map(|uri| uri.to_string()))
    };
    assert_eq!(service(""), Some(None));
    for url in
        ["https://push.example/notify", "http://127.0.0.1:8080/", "http://[::1]:1/", "http://localhost/"]
    {
        assert_eq!(service(url), Some(Some(url.to_owned())));
    }
    for url in
        ["http://push.example/notify", "http://192.168.1.2/", "push.example", "/notify", "ftp://x/", "a b"]
    {
        assert_eq!(service(url), None, "{url}");
    }
    let useless = "[push]\nurl = \"\"\nroots = \"/roots.pem\"";
    assert_eq!(findings(useless), [("push.roots".into(), Severity::Warning)]);
}

#[test]
fn root_certificates_are_a_file_or_given_in_the_text() {
    let pem = rcgen::generate_simple_self_signed(["box.example".to_owned()]).unwrap().cert.pem();
    for (table, text) in [("federation", &pem), ("acme", &pem), ("push", &pem)] {
        let given = format!("domain = \"chat.example.org\"\n[{table}]\nroots = \"\"\"{text}\"\"\"\n");
        assert_eq!(findings(&given), []);
        let file = given.replace(text, "/roots.pem");
        assert_eq!(findings(&file), []);
        let bad = given.replace("-----END", "");
        assert_eq!(findings(&bad), [(format!("{table}.roots"), Severity::Error)]);
    }
    let config = config(&format!("federation.roots = \"\"\"{pem}\"\"\""));
    assert!(matches!(config.federation.roots, Some(Roots::Given(given)) if given.len() == 1));
}

#[test]
fn numbers_that_the_network_can_read_are_a_warning() {
    let listen = |address: &str| findings(&format!("metrics.listen = [\"127.0.0.1:9100\", {address:?}]"));
    assert_eq!(listen("[::1]:9100"), []);
    assert_eq!(listen("192.0.2.1:9100"), [("metrics.listen".into(), Severity::Warning)]);
    assert_eq!(listen("localhost"), [("metrics.listen".into(), Severity::Error)]);
}

#[test]
fn values_arrive() {
    let text =
        "domain = \"[192.0.2.1]\"\nregistration = \"open\"\n[tls]\nnames = [\"192.0.2.1\", \"box.example\"]";
    let config = config(text);
    assert_eq!(config.domain.to_string(), "[192.0.2.1]");
    assert_eq!(config.registration, Registration::Open);
    assert_eq!(config.tls, Tls::SelfSigned { names: vec!["192.0.2.1".into(), "box.example".into()] });
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    for (text, advice) in [
        ("quota = 1000", "It belongs below [limits]."),
        ("[expiry]\nquota = 1000", "It belongs below [limits]."),
        ("[limits]\nmessages_days = 1", "It belongs below [expiry]."),
        ("[limits]\ndomain = \"x.test\"", "It belongs at the top of the file, before the first table."),
        ("[about]\nquotas = 1", "Known here: comment, admin."),
    ] {
        assert_eq!(examine(text).unwrap_err()[0].advice, advice, "{text}");
    }
}

#[test]
fn a_value_with_a_unit_and_no_quotes_is_told_what_it_lacks() {
    for text in ["[limits]\nquota = 500 MB", "[limits]\nquota = MB", "[expiry]\nmessages_days = never"] {
        let Finding { problem, advice, .. } = examine(text).unwrap_err().remove(0);
        assert!(problem.ends_with('.') && advice.contains("quotes"), "{text}: {problem} {advice}");
    }
}

#[test]
fn mail_goes_to_other_servers_from_a_domain_that_they_can_find() {
    use crate::{NameServer, Outbound, Smarthost};
    let outbound = |text| config(text).federation.outbound;
    assert_eq!(outbound("domain = \"chat.example.org\""), Outbound::All);
    assert_eq!(outbound("domain = \"hearth.local\""), Outbound::Off);
    assert_eq!(outbound("domain = \"_box.test\"\nfederation.outbound = \"relays\""), Outbound::Relays);
    let text = "[federation]\nsmarthost = \"mail.example.org:465\"\nsmarthost_user = \"u\"\nsmarthost_password = \"p\"";
    let login = Some(("u".to_owned(), mail_types::Secret::new(b"p".to_vec())));
    let (host, port) = ("mail.example.org".to_owned(), 465);
    let expected = Smarthost { host, port, implicit_tls: true, login, for_relays: false };
    assert_eq!(config(text).federation.smarthost, Some(expected));
    assert_eq!(
        findings(&text.replace("smarthost_password", "#")),
        [("federation.smarthost_user".into(), Severity::Error)]
    );
    assert_eq!(
        findings("federation.smarthost = \"here\""),
        [("federation.smarthost".into(), Severity::Error)]
    );
    let dns =
        config("dns.servers = [\"192.0.2.1\", \"[2001:db8::1]:5353\", \"tls://dns.example@192.0.2.2\"]").dns;
    let server = |address: &str, name: Option<&str>| NameServer {
        address: address.parse().unwrap(),
        tls_name: name.map(str::to_owned),
    };
    let expected = [
        server("192.0.2.1:53", None),
        server("[2001:db8::1]:5353", None),
        server("192.0.2.2:853", Some("dns.example")),
    ];
    assert_eq!(dns.servers, expected);
    assert_eq!(findings("dns.servers = [\"dns.example\"]"), [("dns.servers".into(), Severity::Error)]);
    assert_eq!(config("dns.root_keys = '. IN DNSKEY 257'").dns.root_keys.as_deref(), Some(". IN DNSKEY 257"));
    assert_eq!(findings("dns.root_keys = '20326'"), [("dns.root_keys".into(), Severity::Error)]);
}
