//! Routing: local delivery, or relay to another server.

use mail_types::{Address, Domain, LocalPart};

/// The destination of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the account of this address, which may or may not exist.
    Local(Address),
    /// To the server of this domain.
    Remote(Domain),
}

/// Sends mail for one of our domains to the account before the `+`, and everything else to its domain.
///
/// A box has several names over time (`hearth-XXXX.local`, then a domain); an account is at the one it was made with.
#[must_use]
pub fn route(recipient: &Address, domains: &[Domain]) -> Route {
    if !domains.contains(recipient.domain()) {
        return Route::Remote(recipient.domain().clone());
    }
    let base =
        recipient.local().as_str().split_once('+').and_then(|(base, _)| base.parse::<LocalPart>().ok());
    let account = base.and_then(|base| Address::new(base, recipient.domain().clone()).ok());
    Route::Local(account.unwrap_or_else(|| recipient.clone()))
}

#[cfg(test)]
mod tests {
    use super::{Route, route};

    #[test]
    fn suffixes_belong_to_the_base_account_of_our_own_domains_only() {
        let domains = ["box.test".parse().unwrap(), "[192.0.2.1]".parse().unwrap()];
        for (recipient, expected) in [
            ("anna@box.test", Some("anna@box.test")),
            ("Anna+List@Box.Test", Some("anna@box.test")),
            ("anna+a+b@[192.0.2.1]", Some("anna@[192.0.2.1]")),
            ("+x@box.test", Some("+x@box.test")),
            ("anna+list@other.test", None),
            ("anna@sub.box.test", None),
        ] {
            let routed = route(&recipient.parse().unwrap(), &domains);
            match expected {
                Some(account) => assert_eq!(routed, Route::Local(account.parse().unwrap())),
                None => assert!(matches!(routed, Route::Remote(_)), "{recipient}"),
            }
        }
    }
}
