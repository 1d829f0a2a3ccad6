//! Layouts for every usual size: nothing is cut, and the code is read back from the text.

use std::net::IpAddr;

use super::*;
use crate::{LedState, status_lines};

const SHORT: &str = "dclogin:abcdefghi@hearth-1a2b.local?p=abcdefghijklmnopqrstuvwx&v=1&ih=10.0.2.15&ip=993&is=ssl\
                     &sh=10.0.2.15&sp=465&ss=ssl&ic=3";
const LONG: &str = "dclogin:abcdefghi@hearth-1a2b.local?p=abcdefghijklmnopqrstuvwx&v=1&ih=192.168.178.123&ip=993&is=ssl\
                    &sh=192.168.178.123&sp=465&ss=ssl&ic=3";
const IPV6: &str = "dclogin:abcdefghi@hearth-1a2b.local?p=abcdefghijklmnopqrstuvwx&v=1\
                    &ih=2001%3Adb8%3A1234%3A5678%3A9abc%3Adef0%3A1234%3A5678&ip=993&is=ssl\
                    &sh=2001%3Adb8%3A1234%3A5678%3A9abc%3Adef0%3A1234%3A5678&sp=465&ss=ssl&ic=3";

fn status(link: Option<&str>, addresses: &[&str], troubles: usize) -> DisplayStatus {
    DisplayStatus {
        name: "hearth-1a2b.local".into(),
        addresses: addresses.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect(),
        led: if link.is_some() { LedState::PairingOpen } else { LedState::Ready },
        accounts: 2,
        version: "0.1.0".into(),
        troubles: vec![
            "The disk is nearly full: 97 of 100 MB are used, and new mail is refused.".into();
            troubles
        ],
        code: link
            .map(|link| PairingCode { link: link.into(), closes: "when the first account exists".into() }),
    }
}

/// Everything that a box may have to show.
fn statuses() -> Vec<DisplayStatus> {
    let v6 = ["fd00:1234:5678:9abc:def0:1234:5678:9abc", "2001:db8:1234:5678:9abc:def0:1234:5678"];
    let many = [v6[0], "192.168.178.123", v6[1], "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    let mut all = Vec::new();
    for link in [None, Some(SHORT), Some(LONG), Some(IPV6)] {
        for addresses in [&[][..], &["10.0.2.15"], &v6, &many] {
            all.extend([0, 1, 12].map(|troubles| status(link, addresses, troubles)));
        }
    }
    let mut erasing = status(Some(SHORT), &many, 3);
    erasing.led = LedState::ResetCountdown;
    all.push(erasing);
    all
}

/// The code that is drawn on a screen, as its modules with the quiet zone; none if no block is drawn.
fn drawn(lines: &[String]) -> Option<Vec<Vec<bool>>> {
    const BLOCKS: [char; 3] = ['█', '▀', '▄'];
    let cells: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
    let top = cells.iter().position(|line| line.iter().any(|c| BLOCKS.contains(c)))?;
    let left = cells[top].iter().position(|c| BLOCKS.contains(c))?;
    let side = cells[top].len() - left;
    let light = |x: usize, y: usize| {
        let cell = cells.get(top + y / 2).and_then(|line| line.get(left + x)).copied().unwrap_or(' ');
        cell == '█' || cell == if y.is_multiple_of(2) { '▀' } else { '▄' }
    };
    Some((0..side).map(|y| (0..side).map(|x| !light(x, y)).collect()).collect())
}

fn expected_code(code: &Modules, scale: usize) -> Vec<Vec<bool>> {
    let side = code.width() * scale;
    (0..side).map(|y| (0..side).map(|x| code.is_dark(x / scale, y / scale)).collect()).collect()
}

/// The words in the left column or above the code, with what was broken or indented put together again.
fn words(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| line.split(['█', '▀', '▄']).next().unwrap_or_default())
        .collect::<String>()
        .replace(' ', "")
}

fn sizes() -> impl Iterator<Item = (u16, u16)> {
    let columns = [80, 81, 100, 128, 160, 213, 240];
    columns.into_iter().flat_map(|columns| [25, 28, 30, 37, 48, 64, 67].map(|lines| (columns, lines)))
}

fn modules(status: &DisplayStatus) -> Option<Modules> {
    status.code.as_ref().map(|code| Modules::new(&code.link).unwrap())
}

#[track_caller]
fn check(status: &DisplayStatus, code: Option<&Modules>, columns: u16, lines: u16) {
    let shown = with_code(status, code, ScreenSize::of_terminal(columns, lines));
    let context = || format!("{columns}x{lines} {status:?}\n{}", shown.join("\n"));
    assert!(shown.len() <= usize::from(lines), "too many lines at {}", context());
    let widest = shown.iter().map(|line| line.chars().count()).max();
    assert!(widest <= Some(usize::from(columns)), "too wide at {}", context());
    let words = words(&shown);
    let address = addresses(&status.addresses).0.map_or("none yet".into(), |first| first.to_string());
    for part in [&status.name, status.led.words(), &address] {
        assert!(words.contains(&part.replace(' ', "")), "no {part} at {}", context());
    }
    let Some(code) = code else { return };
    match drawn(&shown) {
        Some(drawn) => {
            let whole = |code: &Modules| drawn == expected_code(code, drawn.len() / code.width());
            assert!(whole(code) || whole(&code.narrowed()), "a broken code at {}", context());
        }
        None => assert!(words.contains("Openhttp://"), "neither code nor page at {}", context()),
    }
}

#[test]
fn at_every_usual_size_the_essentials_are_in_sight_and_a_code_is_whole() {
    for status in statuses() {
        let code = modules(&status);
        for (columns, lines) in sizes() {
            check(&status, code.as_ref(), columns, lines);
        }
    }
}

#[test]
fn an_ipv4_link_has_its_code_on_every_usual_screen() {
    for link in [SHORT, LONG] {
        let status = status(Some(link), &["192.168.178.123"], 12);
        let code = modules(&status);
        for (columns, lines) in sizes() {
            let shown = with_code(&status, code.as_ref(), ScreenSize::of_terminal(columns, lines));
            assert!(drawn(&shown).is_some(), "{columns}x{lines}:\n{}", shown.join("\n"));
        }
    }
}

#[test]
fn a_large_screen_has_a_large_code_and_room_around_everything() {
    let shown = status_lines(&status(Some(SHORT), &["10.0.2.15"], 1), ScreenSize::of_terminal(240, 67));
    assert_eq!(drawn(&shown), Some(expected_code(&Modules::new(SHORT).unwrap(), 2)));
    assert!(shown[0].is_empty() && shown.iter().all(|line| line.is_empty() || line.starts_with("    ")));
}

#[test]
fn no_screen_is_too_small() {
    for status in statuses() {
        let code = modules(&status);
        for (columns, lines) in
            (1..=80).step_by(6).flat_map(|columns| (1..=26).step_by(5).map(move |lines| (columns, lines)))
        {
            let size = ScreenSize::of_terminal(columns, lines);
            let text = text_lines("needs attention\n\nThe data partition is not usable.", size);
            for shown in [with_code(&status, code.as_ref(), size), text] {
                assert!(shown.len() <= usize::from(lines), "{columns}x{lines}: {shown:?}");
                assert!(shown.iter().all(|line| line.chars().count() <= usize::from(columns)), "{shown:?}");
            }
        }
    }
}

#[test]
fn a_code_that_does_not_fit_is_told_where_to_be_found() {
    for (addresses, page) in
        [(&["2001:db8::1"][..], "http://[2001:db8::1]/"), (&[], "http://hearth-1a2b.local/")]
    {
        let shown = status_lines(&status(Some(IPV6), addresses, 0), ScreenSize::DEFAULT);
        assert!(drawn(&shown).is_none() && words(&shown).contains(&format!("Open{page}in")), "{shown:?}");
    }
}

#[test]
fn the_border_is_the_standards_where_there_is_room() {
    let status = status(Some(LONG), &["192.168.178.123"], 0);
    let code = Modules::new(LONG).unwrap();
    let shown = |lines| drawn(&status_lines(&status, ScreenSize::of_terminal(80, lines)));
    assert_eq!(shown(27), Some(expected_code(&code, 1)));
    assert_eq!(shown(26), Some(expected_code(&code.narrowed(), 1)));
}

#[test]
fn a_display_that_does_not_tell_its_size_is_a_usual_one_and_a_huge_one_has_a_bound() {
    assert_eq!(ScreenSize::of_terminal(0, 0), ScreenSize::DEFAULT);
    assert_eq!(ScreenSize::of_terminal(80, 0), ScreenSize::DEFAULT);
    let huge = status_lines(&status(Some(SHORT), &[], 0), ScreenSize::of_terminal(u16::MAX, u16::MAX));
    assert!(huge.len() <= 540 && huge.iter().all(|line| line.chars().count() <= 960));
}

#[test]
fn a_text_stands_in_the_middle() {
    let shown = text_lines("one\n\nthree", ScreenSize::of_terminal(9, 7));
    assert_eq!(shown, ["", "", "  one", "", "  three"]);
}
