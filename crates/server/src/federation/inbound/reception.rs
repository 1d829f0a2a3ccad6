//! The reception of mail from other servers: the one gate of port 25 and of HTTPS delivery.
//!
//! The order of decisions is that of chatmail relays, so that their senders and tests hear what they know: the message
//! can be read, is encrypted, comes from the domain in From, and only then has recipients here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dkim::Signatures;
use host::clock;
use host::locks::Mutex;
use mail_types::{Address, Domain};
use relay_policy::{
    BlockList, Cleartext, Inspected, Origin, RateLimiter, Refusal, Route, SendRate, judge_incoming, route,
};
use smtp::{Envelope, Reply};
use store::Store;

use super::keys::KeySource;
use super::message::{Complete, IncomingMessage};
use super::messages_at_once::MessagesAtOnce;
use super::origin;
use crate::connections::network::network;
use crate::mailboxes::delivery::incoming::Letter;
use crate::mailboxes::delivery::{Delivery, Failure};
use crate::runtime::counters::Counters;

/// The messages that may come in at once, half a MiB each at their worst.
const MESSAGES_AT_ONCE: u32 = 64;
/// The messages that may come in at once from one network.
const MESSAGES_PER_NETWORK: u32 = 8;
/// The servers that a message may have come through; more make a loop (RFC 5321 section 6.3 wants at least 100 allowed
/// where nothing else tells, but a chatmail message comes through two or three).
const HOPS: usize = 50;

/// The rules of reception.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The domain of new accounts, then those of old ones.
    pub(crate) domains: Vec<Domain>,
    /// The senders whose mail is refused.
    pub(crate) blocked: BlockList,
    /// The pace of one domain, and of one network.
    pub(crate) rate: SendRate,
    /// The size of one message, in bytes.
    pub(crate) message_size: u64,
}

/// The reception.
pub(crate) struct Reception {
    rules: Rules,
    store: Store,
    delivery: Arc<Delivery>,
    keys: Arc<dyn KeySource>,
    counters: Arc<Counters>,
    places: Arc<MessagesAtOnce>,
    domains: Mutex<RateLimiter<Domain>>,
    networks: Mutex<RateLimiter<IpAddr>>,
}

/// The way that a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Smtp,
    Https,
}

impl Reception {
    /// A reception that delivers into the mailboxes of this store.
    pub(crate) fn new(
        rules: Rules,
        store: Store,
        delivery: Arc<Delivery>,
        keys: Arc<dyn KeySource>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            store,
            delivery,
            keys,
            counters,
            places: MessagesAtOnce::new(MESSAGES_AT_ONCE, MESSAGES_PER_NETWORK),
            domains: Mutex::new(RateLimiter::new(rules.rate)),
            networks: Mutex::new(RateLimiter::new(rules.rate)),
            rules,
        }
    }

    /// Counts a message of this peer; the answer may come a little later. The sender in an envelope is nobody's word yet.
    pub(super) async fn sender(&self, peer: IpAddr, sender: Option<&Address>) -> Result<(), Reply> {
        if let Some(sender) = sender.filter(|sender| self.rules.blocked.has(sender)) {
            return Err(self.refuse(&Refusal::Blocked(sender.clone())));
        }
        // What comes from the machine itself may be a proxy for everybody.
        if peer.to_canonical().is_loopback() {
            return Ok(());
        }
        let counted = self.networks.lock().check(clock::now(), &network(peer));
        pause(counted.map_err(|refusal| self.refuse(&refusal))?).await;
        Ok(())
    }

    /// Whether the recipient is at one of our domains. An account that does not exist is told of at the end of the message:
    /// other relays give up a whole group's message when one recipient is refused.
    pub(super) fn recipient(&self, recipient: &Address) -> Result<(), Reply> {
        match route(recipient, &self.rules.domains) {
            Route::Local(_) => Ok(()),
            Route::Remote(_) => Err(self.refuse(&Refusal::RelayDenied)),
        }
    }

    /// Begins a message of this peer.
    pub(super) fn begin(&self, peer: IpAddr) -> Result<IncomingMessage, Reply> {
        let place = self.places.enter(peer).ok_or_else(|| self.refuse(&Refusal::Busy))?;
        Ok(IncomingMessage::new(place))
    }

    /// Takes bytes of a message.
    pub(super) async fn push(&self, message: &mut IncomingMessage, bytes: Vec<u8>) {
        message.push(&self.store, self.rules.message_size, bytes).await;
    }

    /// Judges the whole message, and delivers it. `Ok` means that it is on disk in every mailbox that it reaches.
    pub(super) async fn take(
        &self,
        message: IncomingMessage,
        envelope: Envelope,
        way: Way,
    ) -> Result<(), Reply> {
        match self.deliver(message, envelope).await {
            Ok(()) => {
                let received = &self.counters.received;
                let taken = if way == Way::Smtp { &received.by_smtp } else { &received.by_https };
                taken.count();
                Ok(())
            }
            Err(Failure::Refused(refusal)) => Err(self.refuse(&refusal)),
            Err(trouble) => {
                self.counters.received.trouble.count();
                Err(trouble.reply())
            }
        }
    }

    async fn deliver(&self, message: IncomingMessage, envelope: Envelope) -> Result<(), Failure> {
        let complete = message.finish(&self.store, self.rules.message_size);
        let Complete { inspected, signatures, message, place } = complete.map_err(Failure::Refused)?;
        let judged = self.judge(&inspected, &signatures, &envelope).await;
        // A header section that is large need not be kept while the disk works.
        drop((signatures, place));
        let report_to = judged.map_err(Failure::Refused)?;
        let letter = Letter {
            author: inspected.from,
            report_to: report_to.filter(|_| !inspected.automatic),
            recipients: envelope.recipients,
            message: message?,
        };
        self.delivery.receive(letter).await
    }

    /// Judges a message; gives the sender if a report to it would reach its author.
    async fn judge(
        &self,
        inspected: &Inspected,
        signatures: &Signatures,
        envelope: &Envelope,
    ) -> Result<Option<Address>, Refusal> {
        if inspected.hops > HOPS {
            return Err(Refusal::TooManyHops);
        }
        if self.rules.blocked.has(&inspected.from) {
            return Err(Refusal::Blocked(inspected.from.clone()));
        }
        let admitted = judge_incoming(inspected, envelope.sender.as_ref(), Cleartext::Refused)?;
        let domain = inspected.from.domain();
        match admitted.origin {
            Origin::Unchecked if self.rules.domains.contains(domain) => {
                Err(Refusal::OwnAddress(inspected.from.clone()))
            }
            // Nobody has proved to be the author, so nobody is sent a report.
            Origin::Unchecked => {
                let delay = self.domains.lock().check(clock::now(), domain)?;
                pause(delay).await;
                Ok(None)
            }
            Origin::NeedsDkim(name) => {
                origin::prove(&*self.keys, signatures, domain, &name).await?;
                self.delivery.heard_from(domain);
                // One signed message, sent again and again to nobody, must not use up what the others of its domain may send.
                if self.delivery.knows_any(&envelope.recipients) {
                    let delay = self.domains.lock().check(clock::now(), domain)?;
                    pause(delay).await;
                }
                Ok(admitted.bounce_to)
            }
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        self.counters.refused_from_elsewhere(refusal);
        refusal.reply()
    }
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{MESSAGES_AT_ONCE, MESSAGES_PER_NETWORK};
    use crate::tests::harness::TestServer;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_network_that_sends_too_much_waits_and_others_do_not() {
        let server = TestServer::start("[limits]\ninbound_per_minute = 1\ninbound_burst = 2\n").await;
        let ask = async |text: &str| server.reception().sender(peer(text), None).await;
        for address in ["2001:db8::1", "2001:db8::2"] {
            assert_eq!(ask(address).await, Ok(()));
        }
        let told = ask("2001:db8::3").await.unwrap_err().to_string();
        assert!(told.starts_with("450 4.7.1: Too much mail from your network, try again in "), "{told}");
        for address in ["2001:db8:0:1::1", "192.0.2.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"] {
            assert_eq!(ask(address).await, Ok(()), "{address}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn messages_that_come_in_at_once_have_a_bound() {
        let server = TestServer::start("").await;
        let reception = server.reception();
        let busy = "451 4.3.2 Too many messages at once, please try again later";
        let mut open = Vec::new();
        for number in 0..MESSAGES_AT_ONCE {
            let address = peer(&format!("192.0.2.{}", number / MESSAGES_PER_NETWORK));
            open.push(reception.begin(address).unwrap());
            if number + 1 == MESSAGES_PER_NETWORK {
                let told = reception.begin(address).err().unwrap().to_string();
                assert_eq!(told, busy);
            }
        }
        assert_eq!(reception.begin(peer("192.0.2.200")).err().unwrap().to_string(), busy);
        open.pop();
        assert!(reception.begin(peer("192.0.2.200")).is_ok());
    }
}
