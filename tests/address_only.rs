//! A server without a name but with an address that keeps: `user@[10.77.0.2]`.

use anyhow::{Result, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::letters::{arrived, message};
use hearth_tests::internet::{Internet, play};
use hearth_tests::naming::{asking, certificate, naming, wait_for_certificate};
use hearth_tests::pebble::Pebble;
use hearth_tests::story::{Limits, make_contact};

#[test]
fn a_server_with_an_address_only_has_a_certificate_people_and_mail() {
    play("a_server_with_an_address_only_has_a_certificate_people_and_mail", |internet: &Internet| {
        let pebble = Pebble::start_among(internet)?;
        let roots = internet.authority().roots().display().to_string();
        let more = format!(
            "{}[federation]\noutbound = \"all\"\nprivate_networks = true\nroots = \"{roots}\"\n",
            asking(&pebble)
        );
        let start = |label: &str| -> Result<Hearth> {
            let server = Hearth::start_unnamed(internet, internet.host_without_names(label)?, &more)?;
            let literal = format!("[{}]", server.host.address);
            server.hearth(&["name", "set", &literal])?;
            wait_for_certificate(&server, "is in use until")?;
            Ok(server)
        };
        let (one, two) = (start("one")?, start("two")?);
        certificate(&one, &pebble, &one.host.address.to_string())?;
        ensure!(naming(&one)?["domain"] == format!("[{}]", one.host.address), "{}", naming(&one)?);

        let (link, other) = (one.pairing_link()?, two.pairing_link()?);
        let domain = format!("@[{}]", one.host.address);
        ensure!(link.contains(&domain), "{link}");
        // No test can put an authority into the app.
        let lenient = |link: &str| link.replace("&ic=1", "&ic=3");
        let (anna, ben) = (Person::pair("Anna", &lenient(&link))?, Person::pair("Ben", &lenient(&other))?);
        ensure!(anna.address()?.ends_with(&domain), "{}", anna.address()?);
        make_contact(&anna, &ben, Limits::NATIVE)?;

        // Mail with a Hearth that has a name.
        let named = Hearth::start(internet, "named.test")?;
        let carla = named.account_of("carla")?;
        carla.log_in()?;
        let dora = one.account_at(&format!("[{}]", one.host.address), "dora")?;
        dora.log_in()?;
        carla.submit(&[&dora.address], &message(&carla.address, &dora.address, "there@named.test"))?;
        arrived(&dora, "there@named.test")?;
        dora.submit(&[&carla.address], &message(&dora.address, &carla.address, "back@one.test"))?;
        arrived(&carla, "back@one.test").map(drop)
    });
}
