//! The machine's clock by SNTP, and by the dates of web servers where that is silent: [`run_time_client`] is the loop that
//! owns the sockets and corrects the clock; what it believes and does is decided by the crate `time_sync`.
//!
//! ```text
//! resolv.conf, time servers ─▶ lookup ─▶ exchange ─▶ Keeper ─▶ LocalClock, Report
//!              web servers  ─▶ lookup ─▶ the caller's TLS ─▶ ▲ │
//!      ▲                                                       │
//!      └──── the time of the next round, or a change of the network before the first one that worked
//! ```
//!
//! The web servers are asked in the same thread, and the loop waits meanwhile: no time server is in use then.
//!
//! Needs `CAP_SYS_TIME`, and nothing else.

mod clock;
mod exchange;
mod files;
mod lookup;
mod wait;
mod web;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use host::clock::{poll_timeout, uptime};
use ipc::network::ClockSource;
use rustix::event::{PollFd, PollFlags, poll};
use time_sync::{
    Bounds, Correction, Keeper, Nanoseconds, Refusal, Round, Server, Sources, Verdict, WebDate, WebServer,
};

pub use self::clock::{KernelClock, LocalClock, TrialClock};
use crate::Error;
use crate::netlink::ChangeSubscription;

/// The servers that are asked if no others are named: four names of the pool, each with servers of its own, since three
/// have to answer for one liar to be seen through. The zone is that of Debian, on whose packages the image is built; only
/// the third name has servers with IPv6.
pub const DEFAULT_SERVERS: [&str; 4] =
    ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org", "2.debian.pool.ntp.org", "3.debian.pool.ntp.org"];

/// The web servers that are asked for their dates if no others are named: hosts of five institutions that have been there
/// for long and depend on nothing in common, so that for years to come three of them will be there and agree. The box deals
/// with the first three anyway: an authority, a DNS provider, the source of the image's packages.
pub const DEFAULT_WEB_SERVERS: [&str; 5] =
    ["acme-v02.api.letsencrypt.org", "desec.io", "www.debian.org", "www.kernel.org", "www.gnu.org"];

/// The parameters of [`run_time_client`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The servers to ask.
    pub servers: Vec<Server>,
    /// A list of more servers, one a line: those of the home's own network, which others learn from DHCP.
    pub list: PathBuf,
    /// The list of name servers (`resolv.conf(5)`).
    pub resolvers: PathBuf,
    /// The bounds of the calendar.
    pub bounds: Bounds,
    /// The web servers to ask for their dates while no time server is believed; the first eight count.
    pub web_servers: Vec<WebServer>,
    /// The time for which time servers are waited for before that.
    pub patience: Duration,
}

/// An event for the caller of [`run_time_client`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A round has brought the time, and the clock is corrected, or being slewed by half a second at most.
    Synchronised {
        /// The kind of the servers.
        source: ClockSource,
        /// The difference that was found: positive if the clock was behind.
        offset: Nanoseconds,
        /// The number of servers that agree on it.
        agreeing: usize,
        /// The number of servers that there are.
        servers: usize,
    },
    /// A round has not brought the time, for this reason, which is another than that of the round before.
    Refused(String),
}

/// Keeps the clock right, in the calling thread.
///
/// `random` supplies unpredictable bits. `dates` asks web servers at these addresses for their dates, and judges whether they
/// are who they say; for each that has not told one it returns the reason, without its address. `report` is called with each event; its error means that the receiver is gone, and
/// ends the loop.
///
/// # Errors
///
/// [`Error::Report`] when `report` fails; another error when the kernel refuses to correct its clock, or when netlink or
/// poll cannot be used at all.
pub fn run_time_client(
    settings: &Settings,
    clock: impl LocalClock,
    random: impl FnMut() -> u64,
    dates: impl FnMut(&[(WebServer, IpAddr)]) -> Vec<Result<WebDate, String>>,
    report: impl FnMut(Report) -> io::Result<()>,
) -> Result<Infallible, Error> {
    let changes = ChangeSubscription::open()?;
    let keeper = Keeper::new(settings.bounds, uptime(), settings.patience);
    let mut client = Client {
        settings,
        clock,
        random,
        dates,
        report,
        sources: Sources::default(),
        keeper,
        rate: None,
        refusal: None,
        dates_refusal: None,
    };
    loop {
        client.set_rate()?;
        if client.keeper.next_round() <= uptime() {
            client.round()?;
        } else if client.keeper.next_dates() <= uptime() {
            client.ask_web_servers()?;
        } else if client.wait(&changes)? {
            changes.drain();
            client.keeper.network_changed(uptime());
        }
    }
}

/// The state of the loop.
struct Client<'a, C, N, D, R> {
    settings: &'a Settings,
    clock: C,
    random: N,
    dates: D,
    report: R,
    sources: Sources,
    keeper: Keeper,
    /// The rate that was set last, if that worked.
    rate: Option<f64>,
    /// The reason of the last refusal of time servers, if there was no time by them since.
    refusal: Option<Refusal>,
    /// The same for web servers.
    dates_refusal: Option<Refusal>,
}

impl<C, N, D, R> Client<'_, C, N, D, R>
where
    C: LocalClock,
    N: FnMut() -> u64,
    D: FnMut(&[(WebServer, IpAddr)]) -> Vec<Result<WebDate, String>>,
    R: FnMut(Report) -> io::Result<()>,
{
    /// Waits for the next round or question or the end of a slew, and until there is a time also for changes of the network: true for
    /// such a change.
    fn wait(&self, changes: &ChangeSubscription) -> Result<bool, Error> {
        let now = uptime();
        let next = self.keeper.next_round().min(self.keeper.next_dates());
        let end = self.keeper.slew_end(now).map_or(next, |end| end.min(next));
        let mut fds = Vec::new();
        if !self.keeper.is_synchronised() {
            fds.push(PollFd::new(changes, PollFlags::IN));
        }
        match poll(&mut fds, Some(&poll_timeout(end.saturating_sub(now)))) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(Error::Socket { doing: "wait for the next round", source: error.into() }),
        }
    }

    /// Sets the rate if it is to be another: at the start, after a round, at the end of a slew. A former process may have
    /// left one behind.
    fn set_rate(&mut self) -> Result<(), Error> {
        let rate = self.keeper.rate(uptime());
        if self.rate != Some(rate) {
            self.rate = Some(rate);
            self.clock.set_rate(rate).map_err(refused)?;
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), Error> {
        self.update_sources();
        let asked = self.sources.to_ask(uptime());
        let near = Nanoseconds::at(self.settings.bounds.built());
        let results = exchange::ask(&asked, near, &mut self.random)
            .map_err(|source| Error::Socket { doing: "wait for the time servers", source })?;
        for (server, outcome) in &results.outcomes {
            self.sources.settle(*server, *outcome, uptime());
        }
        let [chance, ..] = (self.random)().to_ne_bytes();
        let servers = self.sources.present();
        let calendar = self.clock.calendar();
        let round = Round { uptime: uptime(), calendar, samples: &results.samples, servers, chance };
        match self.keeper.round_ended(&round) {
            Verdict::Known { offset, uncertainty, servers: agreeing, correction } => {
                self.correct(correction, offset, uncertainty).map_err(refused)?;
                self.refusal = None;
                self.tell(Report::Synchronised {
                    source: ClockSource::TimeServers,
                    offset,
                    agreeing,
                    servers,
                })
            }
            Verdict::Refused(refusal) if self.refusal != Some(refusal) => {
                self.refusal = Some(refusal);
                self.tell(Report::Refused(refusal.to_string()))
            }
            Verdict::Refused(_) => Ok(()),
        }
    }

    fn ask_web_servers(&mut self) -> Result<(), Error> {
        let Settings { web_servers, resolvers, .. } = self.settings;
        let resolvers = files::resolvers(resolvers);
        let web::Results { samples, servers, failures } =
            web::ask(web_servers, &resolvers, &mut self.random, &mut self.dates);
        let [chance, ..] = (self.random)().to_ne_bytes();
        let calendar = self.clock.calendar();
        let round = Round { uptime: uptime(), calendar, samples: &samples, servers, chance };
        match self.keeper.dates_ended(&round) {
            Verdict::Known { offset, uncertainty, servers: agreeing, correction } => {
                self.correct(correction, offset, uncertainty).map_err(refused)?;
                self.dates_refusal = None;
                // No difference shows by dates where the clock is in keeping with them.
                let offset = if correction == Correction::None { Nanoseconds::default() } else { offset };
                self.tell(Report::Synchronised { source: ClockSource::WebServers, offset, agreeing, servers })
            }
            Verdict::Refused(refusal) if self.dates_refusal != Some(refusal) => {
                self.dates_refusal = Some(refusal);
                let reasons =
                    if failures.is_empty() { String::new() } else { format!(": {}", failures.join("; ")) };
                self.tell(Report::Refused(format!("{refusal}{reasons}")))
            }
            Verdict::Refused(_) => Ok(()),
        }
    }

    fn update_sources(&mut self) {
        let Settings { servers, list, resolvers, .. } = self.settings;
        // Those of the home first: there is room for a few only, and they are the nearest.
        self.sources.set(files::servers(list).into_iter().chain(servers.iter().cloned()));
        let names = self.sources.to_look_up(uptime());
        if names.is_empty() {
            return;
        }
        let found = lookup::look_up(&names, &files::resolvers(resolvers), &mut self.random);
        for (name, addresses) in found {
            self.sources.found(&name, &addresses, uptime());
        }
    }

    fn correct(
        &mut self,
        correction: Correction,
        offset: Nanoseconds,
        uncertainty: Duration,
    ) -> io::Result<()> {
        let left = match correction {
            Correction::Step(by) => {
                self.clock.step(by)?;
                Duration::ZERO
            }
            Correction::None | Correction::Slew => offset.magnitude(),
        };
        self.clock.mark_synchronised(uncertainty + left)
    }

    fn tell(&mut self, report: Report) -> Result<(), Error> {
        (self.report)(report).map_err(|source| Error::Report { source })
    }
}

fn refused(source: io::Error) -> Error {
    Error::Refused { doing: "correct the clock", source }
}

#[cfg(test)]
mod tests;
