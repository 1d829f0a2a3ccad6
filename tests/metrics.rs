//! The numbers of the daemon on this machine, read by Prometheus's own parser.

use std::process::Command;

use hearth_tests::product::Daemon;
use hearth_tests::python::program;
use serde_json::Value;

#[test]
fn prometheus_understands_the_numbers() {
    let daemon = Daemon::start("open", "[metrics]\nlisten = [\"127.0.0.1:0\"]").unwrap();
    let url = format!("http://127.0.0.1:{}/metrics", daemon.port("metrics").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/openmetrics.py");
    let output =
        Command::new(program("python3")).args([script, &url]).output().expect("python3 must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(numbers["hearth_accounts"], 0.0, "{numbers}");
    assert_eq!(numbers["hearth_logins_total{result=ok}"], 0.0, "{numbers}");
    assert!(numbers["hearth_certificate_expiry_timestamp_seconds"].as_f64() > Some(4e9), "{numbers}");
    assert_eq!(
        numbers[format!("hearth_build_info{{version={}}}", env!("CARGO_PKG_VERSION"))],
        1.0,
        "{numbers}"
    );
}
