//! `LOGIN`, `AUTHENTICATE` and `ID`.

use mail_types::Secret;

use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Command, Credentials};
use crate::fault::Fault;

/// The most pairs RFC 2971 allows.
const ID_PAIR_LIMIT: usize = 30;

/// RFC 3501: login = "LOGIN" SP userid SP password
pub(super) fn login(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let user = cursor.text()?;
    cursor.space()?;
    let password = Secret::new(cursor.astring()?);
    Ok(Command::Login(Credentials { user, password }))
}

/// RFC 4959: authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]
pub(super) fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let mechanism = cursor.atom()?;
    let initial = match cursor.skip(" ") {
        true => Some(cursor.take_while(|byte| byte.is_ascii_graphic(), "the initial response is missing")?),
        false => None,
    };
    Ok(match mechanism.eq_ignore_ascii_case("PLAIN") {
        true => Command::AuthenticatePlain(initial.map(|initial| initial.as_bytes().to_vec())),
        false => Command::AuthenticateOther,
    })
}

/// RFC 3501 and RFC 4616: `message = [authzid] NUL authcid NUL passwd`, in base64. The authorisation identity must be
/// empty or equal to the authentication identity.
pub(crate) fn plain_response(base64: &[u8]) -> Parsed<Credentials> {
    use base64::Engine as _;
    const WRONG: Fault = Syntax("not a response of SASL PLAIN");
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64).map_err(|_| WRONG)?;
    let mut parts = decoded.split(|&byte| byte == 0);
    let (Some(authorise), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(WRONG);
    };
    if user.is_empty() || !(authorise.is_empty() || authorise == user) {
        return Err(WRONG);
    }
    let user = String::from_utf8(user.to_vec()).map_err(|_| WRONG)?;
    Ok(Credentials { user, password: Secret::new(password) })
}

/// RFC 2971: id = "ID" SP id-params-list; id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil
pub(super) fn id(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    if cursor.skip("NIL") {
        return Ok(Command::Id);
    }
    cursor.require("(", "an opening parenthesis is missing")?;
    for _ in 0..=ID_PAIR_LIMIT {
        if cursor.close() {
            return Ok(Command::Id);
        }
        cursor.skip_spaces();
        cursor.string()?;
        cursor.space()?;
        cursor.nstring()?;
    }
    Err(Syntax("too many parameters"))
}

/// RFC 5161: enable = "ENABLE" 1*(SP capability)
pub(super) fn enable(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut names = Vec::new();
    while cursor.skip(" ") {
        names.push(cursor.atom()?.to_ascii_uppercase());
    }
    if names.is_empty() { Err(Syntax("a capability is missing")) } else { Ok(Command::Enable(names)) }
}
