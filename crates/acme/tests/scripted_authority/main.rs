//! Orders at an authority that has trouble, makes no sense, or means harm.
//!
//! The clock is paused: waits of minutes take no time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod script;

use acme::{Account, Authority, CertificateOrder, Issued, LocalChallenges, Optional};
use mail_types::{Secret, UnixTime};
use relay_policy::certificate::{CertificateFailure, ChallengeKind, FailureKind, FailureSource};
use script::{Answer, ScriptedAuthority};
use serde_json::json;
use tls::CertificateKey;

const NAME: &str = "box.test";
const SECOND: &str = "mta-sts.box.test";

struct World {
    script: ScriptedAuthority,
    key: CertificateKey,
    local: LocalChallenges,
}

impl World {
    async fn new() -> Self {
        let key = CertificateKey::generate().unwrap();
        let script = ScriptedAuthority::start(&key).await;
        Self { script, key, local: LocalChallenges::default() }
    }

    fn authority(&self) -> Authority {
        Authority::new(&self.script.directory(), self.script.client()).unwrap()
    }

    async fn account(&self) -> Result<(Account, Option<Secret>), CertificateFailure> {
        self.authority().account(None, None).await
    }

    async fn order_as(&self, wish: CertificateOrder<'_>) -> Result<Issued, CertificateFailure> {
        let (account, _) = self.account().await?;
        let result = account.order(&wish, &self.local).await;
        assert!(self.local.is_idle());
        result
    }

    async fn order(&self) -> Result<Issued, CertificateFailure> {
        self.order_as(self.wish(&[NAME.to_owned()])).await
    }

    fn wish<'a>(&'a self, names: &'a [String]) -> CertificateOrder<'a> {
        let (optional, challenge) = (Optional::Needed(&[]), ChallengeKind::Http01);
        CertificateOrder { names, optional, key: &self.key, challenge, profile: None, replaces: None }
    }

    /// An order while a rule holds, and then one without it.
    async fn fails(&self, path: &'static str, answer: Answer) -> CertificateFailure {
        self.script.rule(path, u32::MAX, answer);
        let failure = self.order().await.unwrap_err();
        self.script.behave();
        self.order().await.unwrap();
        failure
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_authority_come_with_their_time() {
    let world = World::new().await;
    let words = "too many certificates already issued for this set of names";
    for path in ["account", "new", "challenge", "finalize"] {
        let answer = Answer::problem(429, "Retry-After: 3600", "rateLimited", words);
        let failure = world.fails(path, answer).await;
        assert_eq!((failure.kind, failure.source), (FailureKind::RateLimited, FailureSource::Authority));
        assert_eq!((failure.words.as_str(), failure.retry_after), (words, Some(3600)), "{path}");
    }
    // Not every machine in front of an authority speaks ACME.
    let failure = world.fails("new", Answer::Reply(429, "Retry-After: 60", "<html>".to_owned())).await;
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(60)));
    let failure = world.fails("directory", Answer::Reply(503, "Retry-After: 9", String::new())).await;
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Unavailable, Some(9)));
    assert_eq!(failure.words, "it answers with the status 503");
}

#[tokio::test(start_paused = true)]
async fn answers_without_sense_are_failures_and_not_more() {
    let world = World::new().await;
    for path in ["account", "new", "authorization", "challenge", "order", "finalize", "certificate"] {
        for answer in [
            Answer::Reply(200, "", "garbage".to_owned()),
            Answer::Reply(200, "", "{}".to_owned()),
            Answer::Reply(400, "", "{}".to_owned()),
            Answer::Reply(400, "", String::new()),
            Answer::Reply(302, "", String::new()),
            Answer::Endless,
        ] {
            let failure = world.fails(path, answer.clone()).await;
            assert_eq!(failure.kind, FailureKind::Misunderstood, "{path} {answer:?}: {failure:?}");
            assert!(failure.words.chars().count() < 310, "{failure:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_silent_or_gone_is_not_waited_for() {
    let world = World::new().await;
    for path in ["directory", "nonce", "new", "certificate"] {
        for answer in [Answer::Silence, Answer::Cut] {
            let failure = world.fails(path, answer.clone()).await;
            assert_eq!(failure.kind, FailureKind::Unavailable, "{path} {answer:?}: {failure:?}");
        }
    }
    let failure = world.fails("order", Answer::Reply(200, "", processing(&world))).await;
    assert_eq!(failure.kind, FailureKind::TooSlow);
    assert_eq!(failure.words, "it was not finished within 5 minutes");
}

/// An order that is never done.
fn processing(world: &World) -> String {
    let base = world.script.directory().replace("directory", "");
    json!({ "status": "processing", "authorizations": [], "finalize": format!("{base}finalize") }).to_string()
}

#[tokio::test(start_paused = true)]
async fn nonces_may_be_refused_many_times_but_not_for_ever() {
    let world = World::new().await;
    let refusal = || Answer::problem(400, "", "badNonce", "it is stale");
    for path in ["account", "new", "authorization", "challenge", "order", "finalize", "certificate"] {
        world.script.rule(path, 5, refusal());
        world.order().await.unwrap();
        world.script.behave();
    }
    let before = world.script.requests("new");
    let failure = world.fails("new", refusal()).await;
    assert_eq!((failure.kind, failure.words.as_str()), (FailureKind::Misunderstood, "it is stale"));
    assert!(world.script.requests("new") - before < 20);
}

#[tokio::test(start_paused = true)]
async fn a_caa_record_is_told_by_name() {
    let world = World::new().await;
    let base = world.script.directory().replace("directory", "");
    let invalid = |number: usize, name: &str, error: bool| {
        let url = format!("{base}challenge-{number}");
        let mut challenge = json!({ "type": "http-01", "url": url, "token": "t", "status": "pending" });
        if error {
            challenge["error"] = json!({
                "type": "urn:ietf:params:acme:error:caa", "status": 403,
                "detail": format!("CAA record for {name} prevents issuance\u{1b}[31m"),
            });
        }
        let status = if error { "invalid" } else { "pending" };
        json!({ "status": status, "identifier": { "type": "dns", "value": name }, "challenges": [challenge] })
            .to_string()
    };
    let authorizations = [format!("{base}authorization-0"), format!("{base}authorization-1")];
    let order = json!({
        "status": "invalid", "authorizations": authorizations, "finalize": format!("{base}finalize"),
    });
    let (own, second) = ([NAME.to_owned()], [SECOND.to_owned()]);
    let wish = CertificateOrder { optional: Optional::OrWithout(&second), ..world.wish(&own) };
    // The second name fails alone; the order is made again without it.
    world.script.rule("authorization-1", 1, Answer::Reply(200, "", invalid(1, SECOND, false)));
    world.script.rule("order", 1, Answer::Reply(200, "", order.to_string()));
    world.script.rule("authorization-1", 1, Answer::Reply(200, "", invalid(1, SECOND, true)));
    let issued = world.order_as(wish).await.unwrap();
    assert_eq!(issued.certificate.names(), own);
    assert_eq!(issued.left_out.len(), 1);
    let left_out = &issued.left_out[0];
    assert_eq!((left_out.name.as_str(), left_out.kind), (SECOND, FailureKind::ForbiddenByCaa));
    assert_eq!(left_out.words, "CAA record for mta-sts.box.test prevents issuance[31m");
    // An authorization that cannot be looked at does not hide the reason in another one.
    let trouble = Answer::Reply(500, "", String::new());
    world.script.rule("authorization-0", 1, Answer::Reply(200, "", invalid(0, NAME, false)));
    world.script.rule("authorization-0", 2, trouble);
    world.script.rule("authorization-1", 1, Answer::Reply(200, "", invalid(1, SECOND, false)));
    world.script.rule("order", 1, Answer::Reply(200, "", order.to_string()));
    world.script.rule("authorization-1", 1, Answer::Reply(200, "", invalid(1, SECOND, true)));
    let issued = world.order_as(wish).await.unwrap();
    assert_eq!(issued.left_out[0].kind, FailureKind::ForbiddenByCaa);
    // Both are in the certificate when nothing is wrong.
    world.script.behave();
    let issued = world.order_as(wish).await.unwrap();
    assert_eq!(issued.certificate.names(), [NAME, SECOND]);
    // CAA records are looked at again at the end, and the names then stand in subproblems.
    let problem = json!({
        "type": "urn:ietf:params:acme:error:caa", "detail": "some", "status": 403,
        "subproblems": [{
            "type": "urn:ietf:params:acme:error:caa", "detail": "no",
            "identifier": { "type": "dns", "value": SECOND },
        }],
    });
    world.script.rule("finalize", 1, Answer::Reply(403, "", problem.to_string()));
    let issued = world.order_as(wish).await.unwrap();
    assert_eq!(issued.left_out[0].name, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_nobody_asked_for_is_refused() {
    let world = World::new().await;
    world.script.issue_for(&CertificateKey::generate().unwrap());
    let failure = world.order().await.unwrap_err();
    assert_eq!(failure.words, "the certificate is of another key");
    world.script.issue_for(&world.key);
    let other = {
        let params = rcgen::CertificateParams::new(["other.test".to_owned()]).unwrap();
        let key = rcgen::KeyPair::try_from(world.key.to_pkcs8()).unwrap();
        params.self_signed(&key).unwrap().pem()
    };
    let failure = world.fails("certificate", Answer::Reply(200, "", other)).await;
    assert_eq!(failure.words, "the certificate is not for box.test");
    let token = json!({
        "status": "pending", "identifier": { "type": "dns", "value": NAME },
        "challenges": [{
            "type": "http-01", "url": "https://127.0.0.1/", "token": "../../etc", "status": "pending",
        }],
    });
    let failure = world.fails("authorization", Answer::Reply(200, "", token.to_string())).await;
    assert!(failure.words.contains("base64url"), "{failure:?}");
    // Requests stay with HTTPS, wherever an answer leads.
    let plain = json!({
        "status": "ready", "authorizations": [], "finalize": "http://127.0.0.1:1/finalize",
    });
    let failure = world.fails("new", Answer::Reply(201, "Location: BASEorder", plain.to_string())).await;
    assert!(failure.words.contains("not HTTPS"), "{failure:?}");
    Authority::new("http://127.0.0.1/", world.script.client()).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn orders_say_what_they_replace_and_which_profile_they_want() {
    let world = World::new().await;
    let address = ["192.0.2.1".to_owned()];
    let wish = CertificateOrder {
        profile: Some("shortlived"),
        replaces: Some("qrvM3Q.AIdlQyE"),
        ..world.wish(&address)
    };
    world.order_as(wish).await.unwrap();
    let unknown = CertificateOrder { profile: Some("tlsserver"), ..wish };
    world.order_as(unknown).await.unwrap();
    let taken = Answer::problem(409, "", "alreadyReplaced", "by another order");
    world.script.rule("new", 1, taken);
    world.order_as(wish).await.unwrap();
    let identifiers = json!([{ "type": "ip", "value": "192.0.2.1" }]);
    assert_eq!(
        world.script.orders(),
        [
            json!({ "identifiers": identifiers, "profile": "shortlived", "replaces": "qrvM3Q.AIdlQyE" }),
            json!({ "identifiers": identifiers, "replaces": "qrvM3Q.AIdlQyE" }),
            json!({ "identifiers": identifiers, "profile": "shortlived" }),
        ]
    );
    let (account, _) = world.account().await.unwrap();
    assert!(account.offers_profile("shortlived") && !account.offers_profile("tlsserver"));
    let advice = account.renewal_advice("qrvM3Q.AIdlQyE").await.unwrap().unwrap();
    assert_eq!((advice.start, advice.end), (UnixTime(1_798_761_600), UnixTime(1_798_848_000)));
    assert!((7190..=7200).contains(&advice.ask_again_after));
    world.script.rule("renewal", 1, Answer::Reply(200, "", "{}".to_owned()));
    account.renewal_advice("qrvM3Q.AIdlQyE").await.unwrap_err();
}
