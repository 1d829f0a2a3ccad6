//! DKIM signatures beside Python's dkimpy: ours are valid to it, its to us, and a change is noticed by both.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dkim::{Identity, KeyAnswer, Signing, SigningKey, Verdict, Verification};
use hearth_tests::python;
use mail_types::UnixTime;
use odd_message::odd_message;
use serde_json::{Value, json};
use test_support::Random;

#[path = "../crates/dkim/tests/signatures/odd_message.rs"]
mod odd_message;

const SEED: u64 = 4;
const MESSAGES: usize = 120;
const DOMAIN: &str = "box.test";
const SELECTOR: &str = "s";
/// A moment that the clocks of both sides have passed: dkimpy reads its own.
const NOW: UnixTime = UnixTime(1_750_000_000);
/// A moment after all signatures.
const LATER: UnixTime = UnixTime(4_000_000_000);

#[test]
fn dkimpy_agrees_about_odd_mail() {
    agree().unwrap();
}

fn agree() -> Result<()> {
    let mut python = Python::start()?;
    let der = SigningKey::generate(&[4; 32])?;
    let key = SigningKey::from_der(&der)?;
    let mut random = Random::new(SEED);
    for _ in 0..MESSAGES {
        let message = odd_message(&mut random);
        if is_misread(&message) {
            continue;
        }
        let shown = || format!("seed {SEED}: {:?}", String::from_utf8_lossy(&message));
        let signed = sign(&message, &key)?;
        ensure!(is_valid(&signed, &key), "ours is not valid to us: {}", shown());
        let answer = python.verify(&signed, &key)?;
        ensure!(answer["valid"] == true, "ours is not valid to dkimpy ({answer}): {}", shown());
        let mut changed = signed.clone();
        let at = signed.len() - message.len() + random.below(message.len());
        changed[at] ^= 0x20;
        let (ours, answer) = (is_valid(&changed, &key), python.verify(&changed, &key)?);
        ensure!(
            answer["valid"] == true || !ours,
            "valid to us alone: {:?}",
            String::from_utf8_lossy(&changed)
        );
        for (header, body) in
            [("simple", "simple"), ("simple", "relaxed"), ("relaxed", "simple"), ("relaxed", "relaxed")]
        {
            let field = python.sign(&message, &der, header, body).with_context(shown)?;
            let signed = [field, message.clone()].concat();
            ensure!(is_valid(&signed, &key), "dkimpy's {header}/{body} is not valid to us: {}", shown());
        }
    }
    Ok(())
}

/// dkimpy knows no white space before a colon, and takes form feeds at the ends of a value for white space.
fn is_misread(message: &[u8]) -> bool {
    let has = |text: &[u8]| message.windows(text.len()).any(|part| part == text);
    has(b"TO :") || has(b"X-Other:x\x0c")
}

fn sign(message: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    let mut signing = Signing::new();
    signing.push(message);
    let field = signing.finish(Identity { domain: DOMAIN, selector: SELECTOR, key }, NOW)?;
    Ok([&field, message].concat())
}

fn is_valid(message: &[u8], key: &SigningKey) -> bool {
    let mut verification = Verification::new();
    verification.push(message);
    let record = |_: &str| KeyAnswer::Records(vec![key.record()]);
    verification.finish().judge(DOMAIN, LATER, record) == Verdict::Valid
}

/// The program that asks dkimpy.
struct Python {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Result<Self> {
        let mut process = Command::new(python::program("python3"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/dkimpy.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3 must be installed")?;
        let questions = process.stdin.take().context("a pipe")?;
        let answers = BufReader::new(process.stdout.take().context("a pipe")?);
        Ok(Self { process, questions, answers })
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.questions, "{question}").context("asking dkimpy; scripts/test installs it")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).context("dkimpy gave no answer; scripts/test installs it")
    }

    fn verify(&mut self, message: &[u8], key: &SigningKey) -> Result<Value> {
        let name = format!("{SELECTOR}._domainkey.{DOMAIN}");
        self.ask(&json!({ "message": STANDARD.encode(message), "records": { name: key.record() } }))
    }

    fn sign(&mut self, message: &[u8], der: &[u8], header: &str, body: &str) -> Result<Vec<u8>> {
        let (message, key) = (STANDARD.encode(message), STANDARD.encode(der));
        let question = json!({
            "message": message, "key": key, "selector": SELECTOR, "domain": DOMAIN, "header": header, "body": body
        });
        let answer = self.ask(&question)?;
        let field = answer["field"].as_str().and_then(|field| STANDARD.decode(field).ok());
        field.context("dkimpy did not sign")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
