//! What to do when something does not work, and the pages for requests that lead nowhere.

use super::{Page, Width};
use crate::site::Site;

/// Troubles in plain words.
pub(crate) fn help(site: &Site) -> String {
    let main = "<h1>Something does not work?</h1>\
        <h2>The code cannot be scanned</h2><p>Make the screen brighter and the browser’s window larger. On the phone \
        that is to join, open this page there and tap <em>Open in Delta Chat</em>.</p>\
        <h2>The code disappeared</h2><p>Each code makes one profile, and goes once it has. After a press of the \
        button codes are shown for five minutes; on a new box, until the first profile exists. Press the button on the \
        box again, and the next code appears on the start page.</p>\
        <h2>“Cannot connect”</h2><p>The phone must be in the same network as the box: in the home’s Wi-Fi, not in the \
        guest Wi-Fi, and without a VPN.</p>\
        <h2>It worked before, and does not any more</h2><p>Is the LED on? If it flashes twice, again and again, the \
        start page says what the box needs. If the router was changed or reset, it may have given the box another \
        address: let it always give the box the same one.</p>\
        <h2>The browser warns about the certificate</h2><p>A box without a domain of its own signs its certificate \
        itself, and no browser knows it. Inside the home network these pages work with <code>http://</code> as well; \
        Delta Chat knows the certificate from the code.</p>\
        <h2>A message came back</h2><p>The server carries encrypted messages only, and says so when it refuses one. \
        Make contact by scanning the other’s code in Delta Chat; then everything is encrypted.</p>\
        <h2>A phone is lost</h2><p>Who else has the profile on a second device goes on with that one. There is no way \
        to ask for a forgotten password: nobody but the phone ever knew it. Make a new profile.</p>";
    Page { title: "Help", name: &site.domain, refresh: None, width: Width::Text, main, bottom: "" }.html()
}

/// There is nothing under this address.
pub(crate) fn no_such_page(site: &Site) -> String {
    let main = "<h1>There is no such page</h1><p>The address leads nowhere. <a href=\"/\">The start page</a> is still \
                where it was.</p>";
    Page { title: "No such page", name: &site.domain, refresh: None, width: Width::Text, main, bottom: "" }
        .html()
}

/// The box was called by a name that it does not know to be its own; says nothing about the box, for the page that
/// asks may be somebody else's.
pub(crate) fn wrong_name() -> String {
    let main = "<h1>Wrong name</h1><p>This server does not know itself by the name in the browser’s address bar. Call \
                it by its address in the home network, like <code>http://192.168.1.7/</code>; the box’s screen and the \
                router’s list of devices show it.</p>";
    Page { title: "Wrong name", name: "Hearth", refresh: None, width: Width::Text, main, bottom: "" }.html()
}
