//! The owner's settings ([`config::owner`]): kept in the store, taken from the card's file once, changed over the control
//! socket.

use anyhow::Context;
use config::{Base, Config, Finding, Severity, owner};
use ipc::appliance::{OwnerFile, OwnerFileResult};
use mail_types::Secret;
use store::Store;

/// The store's setting that holds the owner's settings, secrets included.
const OWNER_SETTING: &str = "owner.settings";
/// The store's setting that holds the card's file as it was taken over last, with its secrets masked.
const CARD_SETTING: &str = "owner.card";
/// The number of times that settings with errors are tried without them.
const SALVAGES: usize = 8;
/// The report about a file in which all is well.
const WELL: &str = "The settings in hearth.toml are in force.";

/// The owner's settings in force.
pub(crate) struct OwnerSettings {
    base: Base,
    store: Store,
}

/// A card's file after the look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// For `hearth init`, which writes the file beside it.
    pub(crate) result: OwnerFileResult,
    /// The sentence for the screen, if a person has to do something.
    pub(crate) trouble: Option<String>,
}

/// Settings with which a server can start.
struct Usable {
    /// Their text.
    settings: String,
    /// The configuration with them.
    config: Config,
    /// The findings, also about the settings that are left out.
    findings: Vec<Finding>,
}

/// The consequence of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The settings are other than before; the server has to start anew with them.
    Made(Vec<Finding>),
    /// They are what they were.
    None,
    /// They have errors, and nothing was changed.
    Refused(Vec<Finding>),
}

impl OwnerSettings {
    /// The settings in this store, over this configuration.
    pub(crate) fn new(base: Base, store: Store) -> Self {
        Self { base, store }
    }

    /// The configuration with the settings, and the findings about them. Settings that this version does not take are left
    /// out, so that a box with them starts, and can be corrected.
    ///
    /// # Errors
    ///
    /// The findings about the configuration file itself, if it has errors.
    pub(crate) fn resolve(&self) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
        let Usable { config, findings, .. } = self.usable()?;
        Ok((config, findings))
    }

    /// The kept settings without those that this version does not take. The name is kept if only something else is wrong: a
    /// newer version may have written it.
    fn usable(&self) -> Result<Usable, Vec<Finding>> {
        let (mut settings, mut wrong) = (self.kept(), Vec::new());
        for _ in 0..SALVAGES {
            match self.base.with_owner(&settings) {
                Ok((config, findings)) => {
                    wrong.extend(findings);
                    return Ok(Usable { settings, config, findings: wrong });
                }
                Err(findings) => {
                    settings = owner::without(&settings, findings.iter().map(|finding| finding.key.as_str()));
                    wrong.extend(findings);
                }
            }
        }
        let (config, findings) = self.base.with_owner("")?;
        wrong.extend(findings);
        Ok(Usable { settings: String::new(), config, findings: wrong })
    }

    /// The sentence about settings that are left out, for the screen.
    pub(crate) fn trouble(findings: &[Finding]) -> Option<String> {
        let wrong = findings.iter().find(|finding| finding.severity == Severity::Error)?;
        Some(format!(
            "Some of the owner's settings cannot be used ({}): set them anew, by hearth name set or the card's hearth.toml.",
            wrong.key
        ))
    }

    /// Takes over the card's file, if it has something new. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub(crate) fn take_file(&self, file: &OwnerFile) -> anyhow::Result<Taken> {
        let Some(text) = &file.text else {
            return Ok(match &file.problem {
                Some(problem) => refused(problem.clone()),
                None => Taken { result: OwnerFileResult::default(), trouble: None },
            });
        };
        let masked = owner::mask_secrets(text);
        if self.is_taken(text, &masked) {
            return Ok(taken(&[]));
        }
        let whole = owner::unmask(text, &self.kept());
        let change = self.put(&whole)?;
        if !matches!(change, Change::Refused(_)) {
            let seen = Secret::new(masked.into_bytes());
            self.store.set_setting(CARD_SETTING, Some(seen)).context("noting the card's settings")?;
        }
        Ok(match change {
            Change::Refused(findings) => refused(sentences(&findings)),
            Change::Made(findings) => taken(&findings),
            Change::None => taken(&[]),
        })
    }

    /// Whether the file says nothing since the last time: it is not taken over again, since the settings may have been
    /// changed in another way. A secret that is typed again is something new; one that is still to be masked is not.
    fn is_taken(&self, text: &str, masked: &str) -> bool {
        let seen = self.store.setting(CARD_SETTING);
        let is_same = seen.is_some_and(|seen| seen.expose() == masked.as_bytes());
        let kept = owner::unmasked_secrets(&self.kept());
        is_same && owner::unmasked_secrets(text).iter().all(|secret| kept.contains(secret))
    }

    /// Puts the keys of `change` over the settings. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub(crate) fn change(&self, change: &str) -> anyhow::Result<Change> {
        // Damaged settings must not keep their owner from setting them anew.
        let usable = self.usable().map(|usable| usable.settings).unwrap_or_default();
        match owner::changed(&usable, change) {
            Ok(whole) => self.put(&whole),
            Err(findings) => Ok(Change::Refused(findings)),
        }
    }

    /// Checks the settings as a whole, and keeps them if they are good.
    fn put(&self, whole: &str) -> anyhow::Result<Change> {
        let (config, findings) = match self.base.with_owner(whole) {
            Ok(checked) => checked,
            Err(findings) => return Ok(Change::Refused(findings)),
        };
        let kept = self.usable().ok().map(|usable| usable.config.domain);
        let machines = self.base.resolve().ok().map(|(config, _)| config.domain);
        let is_new = ![kept, machines].contains(&Some(config.domain.clone()));
        if let Some(finding) = owner::unreachable(&config).filter(|_| is_new) {
            return Ok(Change::Refused(vec![finding]));
        }
        if let Err(error) = super::provider::settings(&config) {
            return Ok(Change::Refused(vec![of_provider(&error)]));
        }
        if whole == self.kept() {
            return Ok(Change::None);
        }
        let kept = Secret::new(whole.as_bytes().to_vec());
        self.store.set_setting(OWNER_SETTING, Some(kept)).context("keeping the owner's settings")?;
        Ok(Change::Made(findings))
    }

    fn kept(&self) -> String {
        let kept = self.store.setting(OWNER_SETTING);
        kept.map(|kept| String::from_utf8_lossy(kept.expose()).into_owned()).unwrap_or_default()
    }
}

/// The finding about a provider whose settings cannot be right.
fn of_provider(error: &anyhow::Error) -> Finding {
    Finding {
        key: "dns_provider".to_owned(),
        severity: Severity::Error,
        problem: format!("{}.", error.root_cause()),
        advice: "Look at what the provider shows, and type it again.".to_owned(),
    }
}

fn refused(problem: String) -> Taken {
    let report = format!("hearth.toml was NOT taken over, and nothing was changed:\n\n{problem}");
    let result = OwnerFileResult { imported: false, report };
    let trouble =
        Some("The card's hearth.toml has errors; hearth-errors.txt beside it says which.".to_owned());
    Taken { result, trouble }
}

fn taken(findings: &[Finding]) -> Taken {
    let report =
        if findings.is_empty() { WELL.to_owned() } else { format!("{WELL}\n\n{}", sentences(findings)) };
    Taken { result: OwnerFileResult { imported: true, report }, trouble: None }
}

/// The findings, one a line.
fn sentences(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let kind = if finding.severity == Severity::Error { "Error" } else { "Note" };
        format!("{kind} at \"{}\": {} {}", finding.key, finding.problem, finding.advice)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use config::Base;
    use ipc::appliance::OwnerFile;
    use store::Store;

    use super::{Change, OWNER_SETTING, OwnerSettings, Secret};

    fn settings(directory: &std::path::Path) -> OwnerSettings {
        let (store, _) = Store::open(directory).unwrap();
        OwnerSettings::new(Base::parse("domain = \"hearth-1a2b.local\"").unwrap(), store)
    }

    fn file(text: &str) -> OwnerFile {
        OwnerFile { text: Some(text.to_owned()), problem: None }
    }

    #[test]
    fn a_file_is_taken_over_once_and_its_mask_means_what_was_taken() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        assert_eq!(settings.resolve().unwrap().0.domain.to_string(), "hearth-1a2b.local");
        let typed = "domain = \"smith.dedyn.io\"\n[dns_provider]\ntoken = \"abcdefgh\"\n";
        let taken = settings.take_file(&file(typed)).unwrap();
        assert!(taken.result.imported && taken.trouble.is_none(), "{taken:?}");
        let (config, _) = settings.resolve().unwrap();
        assert_eq!(config.domain.to_string(), "smith.dedyn.io");
        for half in [typed.replace("abcdefgh", "********"), typed.replace("abcd", "****")] {
            assert!(settings.take_file(&file(&half)).unwrap().result.imported);
            assert_eq!(settings.resolve().unwrap().0, config);
        }
        let other = typed.replace("smith", "jones").replace("abcdefgh", "********");
        settings.take_file(&file(&other)).unwrap();
        assert_eq!(settings.resolve().unwrap().0.dns_provider, config.dns_provider);
    }

    #[test]
    fn a_provider_that_cannot_be_asked_is_refused_before_anything_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        for provider in [
            "token = \"a b\"",
            "token = \"ümlaut\"",
            "kind = \"duckdns\"\ntoken = \"abc\"",
            "kind = \"dyndns2\"\nurl = \"file:///x\"",
            "kind = \"rfc2136\"\nserver = \"192.0.2.1\"\nkey_name = \"k\"\nkey = \"no base64!\"",
        ] {
            let text = format!("domain = \"smith.dedyn.io\"\n[dns_provider]\n{provider}\n");
            let Change::Refused(findings) = settings.change(&text).unwrap() else { panic!("{provider}") };
            assert_eq!(findings[0].key, "dns_provider", "{findings:?}");
            assert!(!settings.take_file(&file(&text)).unwrap().result.imported, "{provider}");
        }
        assert_eq!(settings.resolve().unwrap().0.domain.to_string(), "hearth-1a2b.local");
    }

    #[test]
    fn a_name_that_nobody_finds_is_refused_but_kept_where_there_are_accounts_under_it() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        for name in ["smith", "192.0.2.1", "[192.168.1.5]"] {
            let text = format!("domain = \"{name}\"\n");
            let Change::Refused(findings) = settings.change(&text).unwrap() else { panic!("{name}") };
            assert_eq!(findings[0].key, "domain");
            // An earlier version took it.
            let kept = Secret::new(text.clone().into_bytes());
            settings.store.set_setting(OWNER_SETTING, Some(kept)).unwrap();
            let (config, findings) = settings.resolve().unwrap();
            assert_eq!((config.domain.to_string().as_str(), findings.len()), (name, 0));
            assert!(matches!(settings.change("registration = \"open\"").unwrap(), Change::Made(_)), "{name}");
            // Back to the machine's name.
            assert!(matches!(settings.put("").unwrap(), Change::Made(_)), "{name}");
        }
    }

    #[test]
    fn damaged_settings_are_told_keep_the_name_where_they_can_and_can_be_set_anew() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let put = |text: &[u8]| {
            settings.store.set_setting(OWNER_SETTING, Some(Secret::new(text.to_vec()))).unwrap()
        };
        for (damaged, domain) in [
            (&b"domain = \"chat.example.org\"\nnewer = 1\n"[..], "chat.example.org"),
            (b"domain = \"chat.example.org\"\n[dns_provider]\nnewer = 1\n", "chat.example.org"),
            (b"\xff\xfe no TOML", "hearth-1a2b.local"),
        ] {
            put(damaged);
            let (config, findings) = settings.resolve().unwrap();
            assert_eq!(config.domain.to_string(), domain);
            assert!(OwnerSettings::trouble(&findings).is_some(), "{findings:?}");
            let changed = settings.change("domain = \"other.example.org\"\n[dns_provider]\n").unwrap();
            assert!(matches!(changed, Change::Made(_)), "{changed:?}");
            let (config, findings) = settings.resolve().unwrap();
            assert_eq!((config.domain.to_string().as_str(), findings.len()), ("other.example.org", 0));
        }
    }

    #[test]
    fn a_file_that_was_taken_over_does_not_undo_later_changes() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let typed = "domain = \"smith.dedyn.io\"\n[dns_provider]\ntoken = \"abcdefgh\"\n";
        settings.take_file(&file(typed)).unwrap();
        assert!(matches!(settings.change("domain = \"chat.example.org\"").unwrap(), Change::Made(_)));
        let domain = || settings.resolve().unwrap().0.domain.to_string();
        for same in [typed.to_owned(), typed.replace("abcdefgh", "********")] {
            assert!(settings.take_file(&file(&same)).unwrap().result.imported);
            assert_eq!(domain(), "chat.example.org");
        }
        settings.take_file(&file(&typed.replace("abcdefgh", "another1"))).unwrap();
        assert_eq!(domain(), "smith.dedyn.io");
    }

    #[test]
    fn a_file_with_errors_changes_nothing_and_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        for (text, word) in [
            ("domain = smith.dedyn.io", "TOML"),
            ("domain = \"smith..io\"", "smith..io"),
            ("[dns_provider]\ntoken = \"***\"", "Type it again"),
            ("state_directory = \"/\"", "belongs to the machine"),
        ] {
            let taken = settings.take_file(&file(text)).unwrap();
            assert!(!taken.result.imported && taken.trouble.is_some(), "{taken:?}");
            assert!(taken.result.report.contains(word), "{taken:?}");
            assert_eq!(settings.resolve().unwrap().0.domain.to_string(), "hearth-1a2b.local");
        }
        let unread = OwnerFile { text: None, problem: Some("It is too long.".to_owned()) };
        assert!(settings.take_file(&unread).unwrap().result.report.contains("too long"));
        let absent = OwnerFile { text: None, problem: None };
        assert_eq!(settings.take_file(&absent).unwrap().result.report, "");
    }

    #[test]
    fn a_change_over_the_control_socket_keeps_what_it_does_not_name() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let made = |text: &str| matches!(settings.change(text).unwrap(), Change::Made(_));
        assert!(made("registration = \"invite\""));
        assert!(made("domain = \"chat.example.org\""));
        assert!(!made("domain = \"chat.example.org\""));
        assert!(matches!(settings.change("domain = \"a b\"").unwrap(), Change::Refused(_)));
        let (config, _) = settings.resolve().unwrap();
        assert_eq!(config.domain.to_string(), "chat.example.org");
        assert_eq!(config.registration.to_string(), "invite");
    }
}
