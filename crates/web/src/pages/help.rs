//! The help page, and the pages for requests that lead nowhere.

use maud::html;

use super::Page;
use crate::site::Site;

/// Common troubles, and the way out of each.
pub(crate) fn help(site: &Site) -> String {
    let main = html! {
        h1 { "Something does not work?" }
        h2 { "The code cannot be scanned" }
        p {
            "Make the screen brighter and the browser’s window larger. On the phone that is to join, open this page \
            there and tap " em { "Open in Delta Chat" } "."
        }
        h2 { "The code disappeared" }
        p {
            "Each code makes one profile, and goes once it has. After a press of the button codes are shown for five \
            minutes; on a new box, until the first profile exists. Press the button on the box again, and the next \
            code appears on the start page."
        }
        h2 { "“Cannot connect”" }
        p {
            "Unless the box has a name and a certificate, the phone must be in the same network as the box: in the home’s \
            Wi-Fi, not in the guest Wi-Fi, and without a VPN."
        }
        h2 { "It worked before, and does not any more" }
        p {
            "Is the LED on? If it flashes twice, again and again, the start page says what the box needs. If the \
            router was changed or reset, it may have given the box another address: let it always give the box the \
            same one."
        }
        h2 { "The browser warns about the certificate" }
        p {
            "A box without a domain of its own signs its certificate itself, and no browser knows it. Inside the home \
            network these pages work with " code { "http://" } " as well; Delta Chat knows the certificate from the \
            code."
        }
        h2 { "A message came back" }
        p {
            "The server carries encrypted messages only, and says so when it refuses one. Make contact by scanning \
            the other’s code in Delta Chat; then everything is encrypted."
        }
        p {
            "A message to a wrong address, to a full mailbox or to another server is marked as failed, with the reason. \
            In a group the app shows only whether some got the message: a member that is gone, has a full mailbox or \
            is on another server does not get it, and the app stays silent about that."
        }
        h2 { "Two phones have the same profile" }
        p {
            "Each code makes one profile. If a second phone scans a code that another phone has used, both have that \
            profile, and miss each other’s messages: delete it on the second phone, and scan the next code."
        }
        h2 { "A phone is lost" }
        p {
            "Who else has the profile on a second device goes on with that one. There is no way to ask for a \
            forgotten password: nobody but the phone ever knew it. Make a new profile."
        }
    };
    Page::text("Help", &site.domain, main).html()
}

/// The page for an unknown path.
pub(crate) fn no_such_page(site: &Site) -> String {
    let main = html! {
        h1 { "There is no such page" }
        p { "The address leads nowhere. " a href="/" { "The start page" } " is still where it was." }
    };
    Page::text("No such page", &site.domain, main).html()
}

/// The page for a `Host` that does not name this box. It says nothing about the box: the page that asks may be somebody
/// else's.
pub(crate) fn wrong_name() -> String {
    let main = html! {
        h1 { "Wrong name" }
        p {
            "This server does not know itself by the name in the browser’s address bar. Call it by its address in the \
            home network, like " code { "http://192.168.1.7/" } "; the box’s screen and the router’s list of devices \
            show it."
        }
    };
    Page::text("Wrong name", "Hearth", main).html()
}
