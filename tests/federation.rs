//! Hearth among other people's servers: relays as others run them, classic servers, and servers with bad days.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use hearth_tests::internet::awkward::{Action, AwkwardServer, Options, Stage, Taken, Times, Way};
use hearth_tests::internet::classic::ClassicServer;
use hearth_tests::internet::dkim_tool::{post, send, sign, verify};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::letters::{LIMIT, arrived, inbox, message};
use hearth_tests::internet::reference::ReferenceRelay;
use hearth_tests::internet::{CertificateKind, Host, Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::waiting::{now, poll};

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
fn a_proven_tlsa_record_vouches_for_a_certificate_and_against_every_other() {
    let test = "a_proven_tlsa_record_vouches_for_a_certificate_and_against_every_other";
    play(test, |internet: &Internet| {
        let key = internet.names().sign()?;
        let hearth = Hearth::start_proving(internet, "hearth.test", &key)?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let shows = |certificate| Options { https: false, certificate, ..Options::default() };
        let own = AwkwardServer::start(internet, "own.test", shows(CertificateKind::SelfSigned))?;
        // An authority vouches for it, but the record names the key of another.
        let other = AwkwardServer::start(internet, "other.test", shows(CertificateKind::Trusted))?;
        let without = AwkwardServer::start(internet, "without.test", shows(CertificateKind::SelfSigned))?;
        for domain in ["own.test", "other.test"] {
            // RFC 7672 section 3.1.1: the domain's own certificate, by its public key, as SHA-256.
            let digest = own.host.certificate.key_digest()?;
            internet.names().add(&format!("_25._tcp.{domain}. TLSA 3 1 1 {digest}"))?;
        }
        for server in [&own, &other, &without] {
            let to = format!("carl@{}", server.host.domain);
            ben.submit(&[&to], &message(&ben.address, &to, &server.host.domain))?;
        }
        let taken = own.wait_for(LIMIT, "own.test")?;
        ensure!(taken.way == Way::Tls, "{:?}", taken.way);
        for server in [&other, &without] {
            let asked = || Ok((server.met(Stage::Hello) > 0).then_some(()));
            poll(LIMIT, "it is asked", asked).with_context(|| server.host.domain.clone())?;
            ensure!(server.taken().is_empty(), "{} got a message", server.host.domain);
        }
        let queue = hearth.hearth(&["queue", "list"])?;
        ensure!(queue.contains("proves nothing: it fits none of the host's TLSA records"), "{queue}");
        ensure!(queue.contains("proves nothing: no authority that is trusted vouches for it"), "{queue}");
        Ok(())
    });
}

#[test]
fn a_server_is_reached_by_ipv6_alone_and_where_its_ipv4_is_dead() {
    play("a_server_is_reached_by_ipv6_alone_and_where_its_ipv4_is_dead", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        // Nobody listens at this address of the namespace.
        let dead = internet.host_without_names("dead.test")?.address;
        for (domain, own, records) in [
            ("six.test", "fd77::6", "six.test. AAAA fd77::6".to_owned()),
            ("half.test", "fd77::46", format!("half.test. AAAA fd77::46\nhalf.test. A {dead}")),
        ] {
            let closed = Options { smtp: false, https: false, ..Options::default() };
            let mut server = AwkwardServer::start(internet, domain, closed)?;
            server.open_at(own.parse()?)?;
            internet.names().remove(domain)?;
            internet.names().add(&format!("{domain}. MX 10 {domain}.\n{records}"))?;
            let to = format!("carl@{domain}");
            ben.submit(&[&to], &message(&ben.address, &to, domain))?;
            let taken = server.wait_for(LIMIT, domain)?;
            ensure!(taken.way == Way::Tls, "{domain}: {:?}", taken.way);
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
fn a_classic_server_gets_mail_if_it_is_the_one_that_its_policy_names() {
    play("a_classic_server_gets_mail_if_it_is_the_one_that_its_policy_names", |internet: &Internet| {
        let mut hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let good = CertificateKind::Trusted;
        let mut servers = Vec::new();
        for (domain, mx, certificate) in [
            ("classic.test", "classic.test", good),
            ("hijacked.test", "mail.hijacked.test", good),
            ("misnamed.test", "misnamed.test", CertificateKind::ForAnotherName),
        ] {
            servers.push(ClassicServer::start(internet, domain, mx, certificate)?);
            let to = format!("carl@{domain}");
            ben.submit(&[&to], &message(&ben.address, &to, &format!("{domain}@hearth.test")))
                .context(domain)?;
        }
        let letter = servers[0].wait_for(LIMIT, "classic.test@hearth.test")?;
        ensure!(letter.contains("\nDKIM-Signature: "), "no signature");
        ensure!(letter.contains("(using TLSv1.3"), "in clear text");
        hearth.stop()?;
        for server in &servers[1..] {
            ensure!(server.messages() == 0, "{} got a message", server.host.domain);
        }
        Ok(())
    });
}

#[test]
fn a_silent_server_keeps_neither_the_sender_nor_other_mail_waiting() {
    play("a_silent_server_keeps_neither_the_sender_nor_other_mail_waiting", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let good = AwkwardServer::start(internet, "good.test", Options::default())?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let only25 = Options { https: false, ..Options::default() };
        let mut silent = Vec::new();
        for (domain, stage, options) in [
            ("greeting.test", Stage::Greeting, only25),
            ("data.test", Stage::Data, only25),
            ("end.test", Stage::End, only25),
            ("post.test", Stage::Post, Options::default()),
        ] {
            let server = AwkwardServer::start(internet, domain, options)?;
            server.rule(stage, Action::Silence, Times::Always);
            silent.push(server);
            let (to, start) = (format!("carl@{domain}"), now());
            ben.submit(&[&to], &message(&ben.address, &to, domain)).context(domain)?;
            let seconds = start.elapsed().as_secs_f64();
            report(&format!("{domain}: the sender waited {seconds:.1} s"));
            ensure!(seconds < PATIENCE, "{domain}: the sender waited {seconds:.1} s");
        }
        let start = now();
        ben.submit(&["dora@good.test"], &message(&ben.address, "dora@good.test", "quick@hearth.test"))?;
        good.wait_for(LIMIT, "quick@hearth.test")?;
        ensure!(start.elapsed().as_secs_f64() < PATIENCE / 2.0, "a message for another server was held up");
        Ok(())
    });
}

#[test]
fn a_message_larger_than_a_server_takes_is_refused_to_its_sender() {
    play("a_message_larger_than_a_server_takes_is_refused_to_its_sender", |internet: &Internet| {
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let only25 = Options { https: false, ..Options::default() };
        // One says so beforehand, the other breaks its word.
        let honest = AwkwardServer::start(internet, "honest.test", Options { size: 500, ..only25 })?;
        let liar = AwkwardServer::start(internet, "liar.test", only25)?;
        liar.rule(Stage::End, Action::answer("552 5.3.4 Message exceeds maximum size"), Times::Always);
        for server in [&honest, &liar] {
            let to = format!("carl@{}", server.host.domain);
            let refusal = ben.submit(&[&to], &message(&ben.address, &to, "large@hearth.test")).err();
            let refusal = refusal.with_context(|| format!("{to}: it was taken"))?.to_string();
            report(&format!("{to}: {refusal}"));
            ensure!(refusal.contains(" 5.3.4 "), "{to}: {refusal}");
        }
        ensure!(honest.met(Stage::Data) == 0, "a message was sent to a server that is too small for it");
        Ok(())
    });
}

#[test]
fn mail_outlives_the_death_of_both_servers() {
    play("mail_outlives_the_death_of_both_servers", |internet: &Internet| {
        let mut relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let mut hearth = Hearth::start(internet, "hearth.test")?;
        let (anna, ben) = (relay.account("anna"), hearth.account_of("Ben")?);
        ben.log_in()?;
        let give = |id: &str| ben.submit(&[&anna.address], &message(&ben.address, &anna.address, id));
        relay.postfix().kill();
        let ids: Vec<String> = (0..10).map(|number| format!("{number}@hearth.test")).collect();
        for id in &ids {
            give(id)?;
        }
        hearth.kill();
        relay.postfix().start_again()?;
        hearth.switch_on()?;
        for id in &ids {
            arrived(&anna, id)?;
        }
        // The relay's own half of the way back: its queue waits for a Hearth that is away.
        hearth.stop()?;
        anna.submit(&[&ben.address], &message(&anna.address, &ben.address, "back@relay.test"))?;
        hearth.switch_on()?;
        arrived(&ben, "back@relay.test").map(drop)
    });
}

#[test]
fn a_bounce_of_a_reference_relay_arrives_and_one_of_ours_arrives_there() {
    play("a_bounce_of_a_reference_relay_arrives_and_one_of_ours_arrives_there", |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["anna"])?;
        let hearth = Hearth::start(internet, "hearth.test")?;
        let (anna, ben) = (relay.account("anna"), hearth.account_of("Ben")?);
        for (from, to) in [(&ben, "nobody@relay.test"), (&anna, "nobody123@hearth.test")] {
            let mut inbox = from.log_in()?;
            from.submit(&[to], &message(&from.address, to, "lost@anywhere.test"))?;
            let domain = to.split('@').nth(1).context("a domain")?;
            let bounce = poll(LIMIT, "a bounce", || {
                let from = inbox.headers("INBOX", "From", "ALL")?;
                Ok(from.into_iter().find(|from| from.to_ascii_lowercase().contains("mailer-daemon@")))
            });
            let bounce = bounce.with_context(|| to.to_owned())?;
            report(&format!("for {to}: a bounce from {bounce}; {domain}"));
            let text = inbox.command("FETCH 1 (BODY.PEEK[])")?;
            let text = text.iter().flat_map(|response| &response.literals).next().context("a message")?;
            let text = String::from_utf8_lossy(text);
            ensure!(text.contains("lost@anywhere.test") && text.contains(to), "{text}");
        }
        Ok(())
    });
}

#[test]
#[ignore = "long: a thousand messages"]
fn of_a_thousand_messages_over_a_bad_peer_none_is_lost() {
    play("of_a_thousand_messages_over_a_bad_peer_none_is_lost", |internet: &Internet| {
        let limits = "[limits]\nsends_per_minute = 1000000\nsend_burst = 1000000\n";
        let mut hearth = Hearth::start_with(internet, "hearth.test", limits)?;
        let server = AwkwardServer::start(internet, "awkward.test", Options::default())?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        let later = Action::answer("451 4.3.0 Later");
        server.rule(Stage::Post, Action::answer("400 451 4.3.0 Later"), Times::Every(3));
        server.rule(Stage::Post, Action::Cut, Times::Every(5));
        server.rule(Stage::Post, Action::TakeAndCut, Times::Every(53));
        for (stage, times) in
            [(Stage::Greeting, 7), (Stage::Mail, 11), (Stage::Recipient, 13), (Stage::End, 17)]
        {
            server.rule(stage, later.clone(), Times::Every(times));
            server.rule(stage, Action::Cut, Times::Every(times + 2));
        }
        server.rule(Stage::End, Action::TakeAndCut, Times::Every(23));
        let to = "carl@awkward.test";
        let ids: Vec<String> = (0..1000).map(|number| format!("{number}@hearth.test")).collect();
        let start = now();
        for id in &ids {
            ben.submit(&[to], &message(&ben.address, to, id)).with_context(|| id.clone())?;
        }
        report(&format!("submitted after {:.1} s", start.elapsed().as_secs_f64()));
        // A server that failed is left alone for a minute, except by a sender that was just switched on.
        for _ in 0..RESTARTS {
            let tries = server.tries();
            hearth.restart()?;
            poll(LIMIT, "the server is tried again", || Ok((server.tries() > tries).then_some(())))?;
        }
        report(&format!("{} of them taken on bad days", server.taken().len()));
        server.no_rules();
        hearth.restart()?;
        let all = poll(LIMIT * 6, "all messages are taken", || {
            let taken: BTreeSet<String> = server.taken().iter().map(Taken::message_id).collect();
            Ok((taken.len() == ids.len()).then_some(taken))
        })?;
        ensure!(ids.iter().all(|id| all.contains(id)), "others than these were taken");
        let taken = server.taken();
        let (doubled, untold) = (taken.len() - ids.len(), taken.iter().filter(|taken| !taken.told).count());
        report(&format!(
            "a thousand messages after {:.1} s: {doubled} came twice, {untold} were taken by a server that hung up",
            start.elapsed().as_secs_f64()
        ));
        // A sender sends again if it was not told, or was switched off before it was told.
        ensure!(doubled <= untold + RESTARTS, "{doubled} doubled, {untold} untold");
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

/// The longest wait of a phone for another server, in seconds, on a busy machine.
const PATIENCE: f64 = 12.0;
/// The times that a sender is switched off and on while it sends.
const RESTARTS: usize = 8;

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
