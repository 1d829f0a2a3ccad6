//! Hearth among other people's servers: relays as others run them, classic servers, and servers with bad days.

use anyhow::{Context, Result, ensure};
use hearth_tests::internet::awkward::{Action, AwkwardServer, Options, Stage, Times, Way};
use hearth_tests::internet::dkim_tool::{post, send, sign, verify};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::letters::{LIMIT, arrived, inbox, message};
use hearth_tests::internet::reference::ReferenceRelay;
use hearth_tests::internet::{CertificateKind, Host, Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::waiting::poll;

#[test]
fn mail_of_a_reference_relay_arrives() {
    play("mail_of_a_reference_relay_arrives", |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let hearth = Hearth::start(internet, "hearth.test")?;
        let (anna, ben) = (relay.account("anna"), hearth.account_of("Ben")?);
        ben.log_in()?;
        anna.submit(&[&ben.address], &message(&anna.address, &ben.address, "hello@relay.test"))?;
        arrived(&ben, "hello@relay.test")?;
        Ok(())
    });
}

#[test]
fn mail_for_a_reference_relay_arrives_and_opendkim_and_dkimpy_take_its_signature() {
    let test = "mail_for_a_reference_relay_arrives_and_opendkim_and_dkimpy_take_its_signature";
    play(test, |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let hearth = Hearth::start(internet, "hearth.test")?;
        let (anna, ben) = (relay.account("anna"), hearth.account_of("Ben")?);
        ben.log_in()?;
        ben.submit(&[&anna.address], &message(&ben.address, &anna.address, "hello@hearth.test"))?;
        verify(&arrived(&anna, "hello@hearth.test")?)
    });
}

#[test]
fn a_server_gets_mail_by_the_ways_that_it_offers() {
    play("a_server_gets_mail_by_the_ways_that_it_offers", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let good = Options::default();
        let own = Options { certificate: CertificateKind::SelfSigned, ..good };
        for (domain, options, way) in [
            ("both.test", good, Way::Post),
            ("only25.test", Options { https: false, ..good }, Way::Tls),
            ("only443.test", Options { smtp: false, ..good }, Way::Post),
            // Names that begin with an underscore have no authority to vouch for them: all certificates will do.
            ("_own443.test", own, Way::Post),
            ("_misnamed.test", Options { certificate: CertificateKind::ForAnotherName, ..good }, Way::Post),
            ("_own25.test", Options { https: false, ..own }, Way::Tls),
        ] {
            let server = AwkwardServer::start(internet, domain, options)?;
            let (to, id) = (format!("carl@{domain}"), format!("{domain}@hearth.test"));
            ben.submit(&[&to], &message(&ben.address, &to, &id)).context(domain)?;
            let taken = server.wait_for(LIMIT, &id).context(domain)?;
            ensure!(taken.way == way, "{domain}: {:?}", taken.way);
            ensure!(taken.from == ben.address && taken.to == [to.as_str()], "{domain}: {taken:?}");
            verify(&taken.message).context(domain)?;
        }
        Ok(())
    });
}

#[test]
fn a_server_that_proves_nothing_gets_nothing() {
    play("a_server_that_proves_nothing_gets_nothing", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let shows = |certificate| Options { certificate, ..Options::default() };
        let mut servers = Vec::new();
        for (domain, options) in [
            ("plain.test", Options { starttls: false, https: false, ..Options::default() }),
            ("misnamed.test", shows(CertificateKind::ForAnotherName)),
            ("own.test", shows(CertificateKind::SelfSigned)),
            ("old.test", shows(CertificateKind::Expired)),
        ] {
            servers.push(AwkwardServer::start(internet, domain, options)?);
            let to = format!("carl@{domain}");
            ben.submit(&[&to], &message(&ben.address, &to, domain)).context(domain)?;
        }
        for server in &servers {
            let domain = &server.host.domain;
            let asked = || Ok((server.met(Stage::Hello) > 0).then_some(()));
            poll(LIMIT, "it is asked", asked).with_context(|| domain.clone())?;
            ensure!(server.taken().is_empty(), "{domain} got a message");
        }
        Ok(())
    });
}

#[test]
fn a_refusal_is_the_answer_to_the_sender() {
    play("a_refusal_is_the_answer_to_the_sender", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let server =
            AwkwardServer::start(internet, "refusing.test", Options { https: false, ..Options::default() })?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let to = "carl@refusing.test";
        for stage in [Stage::Mail, Stage::Recipient, Stage::Data, Stage::End] {
            server.no_rules();
            server.rule(stage, Action::answer("550 5.7.1 No mail from you today"), Times::Always);
            let refusal = ben.submit(&[to], &message(&ben.address, to, "no@hearth.test")).err();
            let refusal = refusal.with_context(|| format!("{stage:?}: it was taken"))?.to_string();
            ensure!(refusal.contains("No mail from you today"), "{stage:?}: {refusal}");
        }
        let refusal =
            ben.submit(&["carl@nowhere.test"], &message(&ben.address, "carl@nowhere.test", "x")).err();
        report(&format!("a domain that does not exist: {:?}", refusal.context("it was taken")?));
        ensure!(server.taken().is_empty(), "something was taken");
        Ok(())
    });
}

#[test]
fn a_message_outlives_every_bad_day_of_its_receiver() {
    play("a_message_outlives_every_bad_day_of_its_receiver", |internet: &Internet| {
        let mut hearth = Hearth::start(internet, "hearth.test")?;
        let mut server =
            AwkwardServer::start(internet, "awkward.test", Options { https: false, ..Options::default() })?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let to = "carl@awkward.test";
        let later = Action::answer("450 4.7.1 Come back later");
        let stages = [
            Stage::Greeting,
            Stage::Hello,
            Stage::StartTls,
            Stage::Mail,
            Stage::Recipient,
            Stage::Data,
            Stage::End,
        ];
        let mut expected = Vec::new();
        for (stage, action) in
            stages.into_iter().flat_map(|stage| [(stage, later.clone()), (stage, Action::Cut)])
        {
            server.no_rules();
            server.rule(stage, action.clone(), Times::Always);
            let id = format!("{stage:?}-{}@hearth.test", expected.len());
            ben.submit(&[to], &message(&ben.address, to, &id))
                .with_context(|| format!("{stage:?} {action:?}"))?;
            expected.push(id);
        }
        server.switch_off();
        ben.submit(&[to], &message(&ben.address, to, "off@hearth.test"))?;
        expected.push("off@hearth.test".to_owned());
        ensure!(server.taken().is_empty(), "something was taken");
        server.no_rules();
        server.switch_on()?;
        hearth.restart()?;
        for id in &expected {
            verify(&server.wait_for(LIMIT, id).with_context(|| id.clone())?.message)?;
        }
        ensure!(
            server.taken().len() == expected.len(),
            "{} messages for {}",
            server.taken().len(),
            expected.len()
        );
        Ok(())
    });
}

#[test]
fn only_right_signatures_let_mail_in_by_either_way() {
    play("only_right_signatures_let_mail_in_by_either_way", |internet: &Internet| {
        let stranger = ReferenceRelay::start(internet, "other.test", &[])?;
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        for (way, hand_over) in [("port25", send as HandOver), ("post", post)] {
            let id = format!("{way}@other.test");
            let texts = Texts::new(&stranger, &ben.address, &id)?;
            let give = |text: &[u8]| hand_over(&hearth.host, "carl@other.test", &ben.address, text);
            give(&texts.signed).with_context(|| format!("the right one by {way}"))?;
            arrived(&ben, &id)?;
            for (what, text, words) in texts.refused() {
                let refusal =
                    give(text).err().with_context(|| format!("{what} was taken by {way}"))?.to_string();
                ensure!(refusal.ends_with(words), "{what} by {way}: {refusal}");
            }
        }
        let ids = inbox(&ben)?;
        ensure!(ids == ["port25@other.test", "post@other.test"], "{ids:?}");
        Ok(())
    });
}

type HandOver = fn(&Host, &str, &str, &[u8]) -> Result<()>;

/// A signed message and what must not pass for it.
struct Texts {
    plain: Vec<u8>,
    signed: Vec<u8>,
    changed: Vec<u8>,
    forged: Vec<u8>,
    strange: Vec<u8>,
}

impl Texts {
    fn new(stranger: &ReferenceRelay, to: &str, id: &str) -> Result<Self> {
        let key = stranger.host.folder.join("opendkim/key.pem");
        let sign = |text: &[u8]| sign(text, "other.test", "opendkim", &key);
        let plain = message("carl@other.test", to, id).into_bytes();
        let signed = sign(&plain)?;
        let replace = |from: &str, to: &str| {
            Ok::<_, anyhow::Error>(std::str::from_utf8(&signed)?.replace(from, to).into_bytes())
        };
        let changed = replace("[...]", "[....]")?;
        let forged = replace("From: <carl@other.test>", "From: <carl@hearth.test>")?;
        let strange = sign(message("carl@third.test", to, id).as_bytes())?;
        Ok(Self { plain, signed, changed, forged, strange })
    }

    /// With the last words of the refusal.
    fn refused(&self) -> [(&str, &[u8], &str); 4] {
        [
            ("an unsigned message", &self.plain, "554 5.7.1 No DKIM signature found"),
            ("a changed message", &self.changed, "554 5.7.1 No valid DKIM signature found"),
            ("a forged sender", &self.forged, "554 5.7.1 No valid DKIM signature found"),
            ("another domain's signature", &self.strange, "554 5.7.1 No valid DKIM signature found"),
        ]
    }
}
