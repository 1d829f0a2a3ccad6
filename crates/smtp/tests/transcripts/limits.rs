//! The limit of what a session keeps while a question is open.

use smtp::{Input, Output, Role, Session, Settings, Transport};

use crate::script::start;

#[test]
fn waiting_input_is_bounded() {
    let mut session = Session::new(Settings::new("box.test"), Role::Inbound, Transport::Tls);
    session.handle(start(), Input::Bytes(b"EHLO x\r\nMAIL FROM:<>\r\n"));
    assert!(session.wants_input());
    session.handle(start(), Input::Bytes(&[b'x'; 200_000]));
    assert!(!session.wants_input(), "a question is open and enough is waiting");
    session.handle(start(), Input::Bytes(&[b'x'; 2_000_000]));
    let outputs: Vec<Output> = std::iter::from_fn(|| session.poll()).collect();
    assert!(matches!(outputs.last(), Some(Output::Close(_))), "a driver that pushes on is cut off");
}
