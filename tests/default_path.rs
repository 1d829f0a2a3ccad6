//! The way a stranger's phone takes to a server that it knows nothing of but the name: autoconfiguration, standard
//! ports, strict checks of the certificate. In a network namespace, against the daemon, with real Delta Chat cores.

use std::process::Command;

use anyhow::{Context, ensure};
use hearth_tests::core_process::CoreProcess;
use hearth_tests::delta_chat::Person;
use hearth_tests::namespace::{report, with_server};
use hearth_tests::product::DOMAIN;
use hearth_tests::python::program;
use hearth_tests::story::{Limits, make_contact};
use serde_json::{Value, json};

#[test]
fn people_join_by_the_name_of_the_server_alone() {
    with_server("people_join_by_the_name_of_the_server_alone", "", |_| {
        // The core makes up the credentials, and asks the server where to connect.
        let anna = Person::pair("Anna", &format!("dcaccount:{DOMAIN}"))?;
        // The server makes up the credentials.
        let ben = Person::pair("Ben", &format!("DCACCOUNT:https://{DOMAIN}/new"))?;
        for person in [&anna, &ben] {
            // Port 443 is known from the autoconfiguration only (chatmail/core, `src/configure.rs`).
            let servers = "imap:[_box.test:993:tls, _box.test:143:starttls, _box.test:443:tls] \
                           smtp:[_box.test:465:tls, _box.test:587:starttls, _box.test:443:tls] cert_strict";
            let settings = person.settings_in_use()?;
            ensure!(settings.contains(servers), "{settings}");
        }
        make_contact(&anna, &ben, Limits::NATIVE)?;
        Ok(())
    });
}

#[test]
fn every_port_lets_a_core_in() {
    with_server("every_port_lets_a_core_in", "", |_| {
        let core = CoreProcess::start()?;
        let ways = [("starttls", 143, "starttls", 587), ("ssl", 443, "ssl", 443), ("ssl", 993, "ssl", 465)];
        for (imap_security, imap_port, smtp_security, smtp_port) in ways {
            let person = Person::unpaired(&core, "Anna")?;
            let transport = json!({
                "addr": format!("by.port.{imap_port}@{DOMAIN}"), "password": "a long password",
                "imapServer": DOMAIN, "imapPort": imap_port, "imapSecurity": imap_security,
                "smtpServer": DOMAIN, "smtpPort": smtp_port, "smtpSecurity": smtp_security,
                "certificateChecks": "strict",
            });
            person
                .call("add_or_update_transport", [transport])
                .with_context(|| format!("by ports {imap_port} and {smtp_port}"))?;
            person.go_online()?;
        }
        Ok(())
    });
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    with_server("a_certificate_for_another_name_is_refused", "", |_| {
        let core = CoreProcess::start()?;
        // The same server by names that its certificate does not bear: so the checks above were checks.
        for host in ["127.0.0.1", "_other.test"] {
            let person = Person::unpaired(&core, "Anna")?;
            let transport = json!({
                "addr": format!("wrong.name@{DOMAIN}"), "password": "a long password", "imapServer": host,
            });
            let believed = person.call("add_or_update_transport", [transport]).is_ok();
            ensure!(!believed, "{host} was believed");
            // The error itself says no more than that no server was found; the reason is an event, which may come later.
            let about_certificate =
                |event: &Value| event["msg"].as_str()?.contains("certificate").then_some(());
            person.wait_for(Limits::NATIVE.text, "Warning", about_certificate)?;
        }
        Ok(())
    });
}

#[test]
fn cmping_gets_all_its_answers() {
    with_server("cmping_gets_all_its_answers", "", |_| {
        let home = tempfile::tempdir()?;
        let mut cmping = Command::new(program("cmping"));
        let path = std::env::var("PATH")?;
        if let Some(programs) = program("cmping").parent() {
            cmping.env("PATH", format!("{}:{path}", programs.display()));
        }
        let output =
            cmping.args(["-c", "5", "-i", "0.5", DOMAIN]).env("XDG_CACHE_HOME", home.path()).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in said.lines().filter(|line| line.contains("loss") || line.contains("rtt")) {
            report(&format!("cmping: {line}"));
        }
        // Its percentage and its exit status count what was sent, and the last answer may overtake that count.
        ensure!(said.contains(" 5 received,"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
}
