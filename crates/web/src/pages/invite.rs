//! The pages of an invite: what it is, how to take it up, and the new account's code.

use relay_policy::{InviteToken, JoinRefusal};

use super::{escape, page};
use crate::invite::{Links, page_path};
use crate::join;
use crate::site::Site;

/// Where people find the app.
const APP: &str = "https://delta.chat/download";

/// The page that an invite's link opens. It redeems nothing by itself.
pub(crate) fn invitation(site: &Site, links: &Links, token: &InviteToken) -> String {
    let domain = escape(&site.domain);
    let begin = format!(
        "<h1>You are invited</h1><p>{domain} is a household's own server for <a href=\"{APP}\">Delta Chat</a>, an app \
         for encrypted messages. This invite makes you an account on it.</p><ol><li>Install \
         <a href=\"{APP}\">Delta Chat</a>, if you do not have it yet.</li>"
    );
    let rest = match &links.app {
        Some(link) => format!(
            "<li>Tap the button on the device that has the app, or scan the code with the app.</li></ol>\
             <p><a class=\"button\" href=\"{}\">Open in Delta Chat</a></p>{}",
            escape(link),
            code(link)
        ),
        // The invite is in the address that the form is sent to, so that no request's body is ever read.
        None => format!(
            "<li>Make the account; the page after this one brings it into the app.</li></ol>\
             <form method=\"post\" action=\"{}\"><p><button class=\"button\">Make my account</button></p></form>",
            escape(&page_path(token))
        ),
    };
    page(&format!("Invite to {}", site.domain), &site.domain, &(begin + &rest))
}

/// The account that an invite made, shown once: asked for again, the invite is used up.
pub(crate) fn welcome(site: &Site, login_link: &str) -> String {
    let advice = "Do it now: this page is shown only once, and the code in it is as good as the password.";
    login(site, "Your account is ready", advice, login_link)
}

/// A code for whoever asks; only the login that it is used for makes the account.
pub(crate) fn fresh_code(site: &Site, login_link: &str) -> String {
    let advice = "Show the code to nobody: it is as good as the password of the account that it makes. Whenever this \
                  page is opened anew, it makes another code, for another account; those that nobody uses make none.";
    login(site, "Here is your code", advice, login_link)
}

fn login(site: &Site, heading: &str, advice: &str, login_link: &str) -> String {
    let body = format!(
        "<h1>{heading}</h1><p>Tap the button on the device that has Delta Chat, or scan the code with the app. \
         {advice}</p>\
         <p><a class=\"button\" href=\"{}\">Open in Delta Chat</a></p>{}",
        escape(login_link),
        code(login_link)
    );
    page(&format!("Welcome to {}", site.domain), &site.domain, &body)
}

/// Why there is no account.
pub(crate) fn refused(site: &Site, refusal: JoinRefusal) -> String {
    let body = format!(
        "<h1>No account this time</h1><p>{}</p><p><a href=\"/\">Start page</a></p>",
        escape(join::words(refusal))
    );
    page(&format!("Invite to {}", site.domain), &site.domain, &body)
}

fn code(link: &str) -> String {
    let code = pairing::svg(link).unwrap_or_else(|error| format!("<p>{}</p>", escape(&error.to_string())));
    format!("<div class=\"card code\">{code}</div>")
}
