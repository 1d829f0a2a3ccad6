//! A real browser opens the pages, a code reader looks at its screen, and what it reads makes an account.

use anyhow::{Context, Result, ensure};
use hearth_tests::browser::{Browser, Window};
use hearth_tests::mail::Account;
use hearth_tests::product::Daemon;
use hearth_tests::web::{ask, get};

/// The longest request head that the pages take, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;

#[test]
fn the_code_on_the_start_page_can_be_scanned_and_lets_one_person_in() {
    Daemon::start("pairing", "").unwrap().play(|daemon| scan_and_join(daemon));
}

fn scan_and_join(daemon: &Daemon) -> Result<()> {
    let link = daemon.pairing_link()?;
    let (http, https) = (daemon.port("http")?, daemon.port("https")?);
    ensure!(get(http, "/")?.login_link()? == link, "the page and the terminal show the same code");

    let browser = Browser::new()?;
    let (plain, encrypted) = (format!("http://127.0.0.1:{http}/"), format!("https://127.0.0.1:{https}/"));
    for (url, window) in [(&plain, Window::PHONE), (&plain, Window::LAPTOP), (&encrypted, Window::LAPTOP)] {
        let codes = browser.codes(url, window)?;
        ensure!(codes == [link.clone()], "{url} in {window:?} shows {codes:?}, not {link}");
    }

    ensure!(daemon.status()?["accounts"] == 0, "looking at the code makes no account");
    Account::from_link(&link)?.log_in()?;
    ensure!(daemon.status()?["accounts"] == 1);
    let page = get(http, "/")?;
    ensure!(!page.body.contains(&link.replace('&', "&amp;")), "a used code is still shown");
    Ok(())
}

#[test]
fn with_open_registration_each_look_at_the_page_makes_a_code_and_all_of_them_work() {
    Daemon::start("open", "").unwrap().play(|daemon| serve_oneself(daemon));
}

fn serve_oneself(daemon: &Daemon) -> Result<()> {
    let http = daemon.port("http")?;
    let first = get(http, "/new")?.login_link()?;
    let codes = Browser::new()?.codes(&format!("http://127.0.0.1:{http}/new"), Window::PHONE)?;
    let [second] = codes.as_slice() else { anyhow::bail!("one code, not {codes:?}") };
    ensure!(first != *second);
    for link in [&first, second] {
        Account::from_link(link)?.log_in()?;
    }
    ensure!(daemon.status()?["accounts"] == 2);
    ensure!(get(http, "/")?.body.contains("href=\"/new\""), "the start page leads to a code");
    Ok(())
}

#[test]
fn no_page_runs_anything_or_loads_anything_from_elsewhere() {
    let daemon = Daemon::start("open", "").unwrap();
    let http = daemon.port("http").unwrap();
    for path in ["/", "/new", "/invite", "/help.html", "/info.html", "/privacy.html", "/nowhere"] {
        let page = get(http, path).unwrap();
        let policy = page.header("content-security-policy").with_context(|| path.to_owned()).unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        for source in ["script-src", "connect-src", "font-src", "http:", "https:", "*"] {
            assert!(!policy.contains(source), "{path} may load from {source}: {policy}");
        }
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let body = page.body.to_ascii_lowercase();
        assert!(body.contains("<h1>") && body.ends_with("</html>\n"), "{path} is no page: {body}");
        for element in ["<script", "javascript:", " onload=", " onclick=", " src=", "@import", "url("] {
            assert!(!body.contains(element), "{path} contains {element}: {body}");
        }
    }
}

#[test]
fn a_request_head_may_be_long_but_not_endless() {
    let daemon = Daemon::start("closed", "").unwrap();
    let http = daemon.port("http").unwrap();
    let begin = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{http}\r\nConnection: close\r\nX: ");
    let long = format!("{begin}{}\r\n\r\n", "x".repeat(HEAD_LIMIT / 2));
    assert_eq!(ask(http, &long).unwrap().status, 200);
    // Without an end: the server must not wait for it.
    let endless = format!("{begin}{}", "x".repeat(HEAD_LIMIT - begin.len()));
    assert_eq!(ask(http, &endless).unwrap().status, 431);
}
