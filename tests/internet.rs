//! The reference of the tests of federation by itself: what a relay of today takes and refuses, when no Hearth is near.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::internet::awkward::{Action, AwkwardServer, Options, Stage, Times, Way};
use hearth_tests::internet::classic::ClassicServer;
use hearth_tests::internet::dkim_tool::{send, sign, verify};
use hearth_tests::internet::letters::{LIMIT, arrived, message};
use hearth_tests::internet::reference::ReferenceRelay;
use hearth_tests::internet::{CertificateKind, Internet, play};
use hearth_tests::python::program;
use hearth_tests::waiting::poll;

#[test]
fn two_reference_relays_take_mail_from_one_another() {
    play("two_reference_relays_take_mail_from_one_another", |internet: &Internet| {
        let one = ReferenceRelay::start(internet, "one.test", &["anna"])?;
        let two = ReferenceRelay::start(internet, "two.test", &["ben"])?;
        let (anna, ben) = (one.account("anna"), two.account("ben"));
        anna.submit(&[&ben.address], &message(&anna.address, &ben.address, "there@one.test"))?;
        verify(&arrived(&ben, "there@one.test")?)?;
        ben.submit(&[&anna.address], &message(&ben.address, &anna.address, "back@two.test"))?;
        verify(&arrived(&anna, "back@two.test")?)?;
        // A bounce is signed, too.
        anna.submit(&["nobody@two.test"], &message(&anna.address, "nobody@two.test", "lost@one.test"))?;
        let mut inbox = anna.log_in()?;
        let from = poll(LIMIT, "a bounce", || {
            let from = inbox.headers("INBOX", "From", "ALL")?;
            Ok(from.into_iter().find(|from| from.contains("MAILER-DAEMON@two.test")))
        });
        from.map(drop)
    });
}

#[test]
fn a_reference_relay_takes_right_signatures_only() {
    play("a_reference_relay_takes_right_signatures_only", |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let (anna, to) = (relay.account("anna"), relay.account("anna").address);
        let key = relay.host.folder.join("opendkim/key.pem");
        internet.names().add("other.test. A 10.77.0.9")?;
        let record = format!("s._domainkey.other.test. CNAME opendkim._domainkey.{}.", relay.host.domain);
        internet.names().add(&record)?;

        let plain = message("carl@other.test", &to, "signed@other.test");
        let signed = sign(plain.as_bytes(), "other.test", "s", &key)?;
        send(&relay.host, "carl@other.test", &to, &signed)?;
        verify(&arrived(&anna, "signed@other.test")?)?;

        let changed = String::from_utf8(signed.clone())?.replace("Version: 1", "Version: 2");
        let forged = String::from_utf8(signed)?.replace("From: <carl@other.test>", "From: <carl@relay.test>");
        let strange = sign(message("carl@third.test", &to, "x").as_bytes(), "other.test", "s", &key)?;
        for (what, text) in [
            ("unsigned", plain.as_bytes()),
            ("changed", changed.as_bytes()),
            ("forged", forged.as_bytes()),
            ("signed by a stranger", &strange),
        ] {
            let refusal = send(&relay.host, "carl@other.test", &to, text).err();
            let refusal = refusal.with_context(|| format!("{what}: it was taken"))?.to_string();
            ensure!(refusal.starts_with('5'), "{what}: {refusal}");
        }
        Ok(())
    });
}

#[test]
fn an_awkward_server_does_as_it_is_told_and_remembers() {
    play("an_awkward_server_does_as_it_is_told_and_remembers", |internet: &Internet| {
        let mut relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let awkward = AwkwardServer::start(internet, "awkward.test", Options::default())?;
        let anna = relay.account("anna");
        let submit =
            |id: &str| anna.submit(&["ben@awkward.test"], &message(&anna.address, "ben@awkward.test", id));
        // Postfix knows no `/mxdeliv`, and tries everything again within seconds.
        for stage in [Stage::Greeting, Stage::Hello, Stage::Mail, Stage::Recipient, Stage::Data, Stage::End] {
            awkward.no_rules();
            awkward.rule(stage, Action::answer("450 4.7.1 Later"), Times::First(1));
            let id = format!("{stage:?}@relay.test");
            submit(&id)?;
            let taken = awkward.wait_for(LIMIT, &id)?;
            ensure!(taken.way == Way::Tls && taken.told, "{stage:?}: {:?}", taken.way);
            verify(&taken.message)?;
        }
        awkward.no_rules();
        awkward.rule(Stage::End, Action::TakeAndCut, Times::First(1));
        submit("twice@relay.test")?;
        poll(LIMIT, "the queue is empty", || Ok((relay.postfix().queued() == 0).then_some(())))?;
        let told = awkward.taken().into_iter().filter(|taken| taken.message_id() == "twice@relay.test");
        ensure!(told.map(|taken| taken.told).eq([false, true]), "not twice");
        Ok(())
    });
}

#[test]
fn a_classic_server_takes_mail_of_a_relay_and_shows_its_policy() {
    play("a_classic_server_takes_mail_of_a_relay_and_shows_its_policy", |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let classic =
            ClassicServer::start(internet, "classic.test", "classic.test", CertificateKind::Trusted)?;
        let anna = relay.account("anna");
        let to = "carl@classic.test";
        anna.submit(&[to], &message(&anna.address, to, "letter@relay.test"))?;
        classic.wait_for(LIMIT, "letter@relay.test")?;
        let policy = page(internet, "https://mta-sts.classic.test/.well-known/mta-sts.txt")?;
        ensure!(policy.contains("mode: enforce\r\nmx: classic.test\r\n"), "{policy}");
        Ok(())
    });
}

/// A page, from a server with a right certificate.
fn page(internet: &Internet, url: &str) -> Result<String> {
    let code = "import ssl, sys, urllib.request; \
                context = ssl.create_default_context(cafile=sys.argv[1]); \
                print(urllib.request.urlopen(sys.argv[2], context=context).read().decode(), end='')";
    let roots = internet.authority().roots();
    let output = Command::new(program("python3")).args(["-c", code]).arg(roots).arg(url).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
