//! Hearth among other people's servers: relays as others run them, classic servers, and servers with bad days.

use anyhow::{Context, Result, ensure};
use hearth_tests::internet::dkim_tool::{post, send, sign};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::letters::{arrived, inbox, message};
use hearth_tests::internet::reference::ReferenceRelay;
use hearth_tests::internet::{Host, Internet, play};

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
fn only_right_signatures_let_mail_in_by_either_way() {
    play("only_right_signatures_let_mail_in_by_either_way", |internet: &Internet| {
        let stranger = ReferenceRelay::start(internet, "other.test", &[])?;
        let hearth = Hearth::start(internet, "hearth.test")?;
        let ben = hearth.account_of("Ben")?;
        ben.log_in()?;
        for (way, hand_over) in [("port25", send as Way), ("post", post)] {
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

type Way = fn(&Host, &str, &str, &[u8]) -> Result<()>;

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
