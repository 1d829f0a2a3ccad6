//! The command line: its grammar and its words. What the commands do is elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Exit status when everything went well.
pub(crate) const EXIT_OK: u8 = 0;
/// Exit status after trouble while running; the message says which.
pub(crate) const EXIT_TROUBLE: u8 = 1;
/// Exit status when the configuration has errors (also clap's for a wrong command line).
pub(crate) const EXIT_CONFIGURATION: u8 = 2;
/// Exit status when a command needs a running server and finds none.
pub(crate) const EXIT_NOT_RUNNING: u8 = 3;

const EXIT_STATUS: &str = "\
Exit status: 0 all is well; 1 trouble, told on standard error; 2 the configuration or the command line is wrong; \
3 no server is running with this configuration.";

/// The household's own chatmail server.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the mail server until it is told to stop (SIGTERM, or Ctrl-C).
    #[command(after_help = "\
Examples:
  hearth serve --config /etc/hearth.toml
  HEARTH_LOG=debug hearth serve --config ./hearth.toml

The ports really listened on are written to STATE_DIRECTORY/run/ports.json, which matters when the
configuration asks for port 0.")]
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// Speak with `hearth init` over standard input and output, one JSON object a line.
        #[arg(long)]
        appliance: bool,
        /// The settings that `hearth init` read of the card, as one JSON object.
        #[arg(long, value_name = "FILE", hide = true)]
        owner_file: Option<PathBuf>,
    },
    /// Examines a configuration and prints everything that is wrong with it; or looks at the running server's network.
    #[command(after_help = "\
Examples:
  hearth check --config /etc/hearth.toml && systemctl restart hearth
  hearth check --config /etc/hearth.toml --network
  hearth check --config /etc/hearth.toml --network --relay relay.example.org

With --network the running server looks whether its name leads to it, whether its certificate is believed, which of its
ports answer at its name, and whether it can reach a relay. It asks nobody to connect from outside: what cannot be seen
from inside is said so.")]
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Look at the network of the running server.
        #[arg(long)]
        network: bool,
        /// The relay to which the way is tried, in the place of a well known one.
        #[arg(long, value_name = "HOST", requires = "network")]
        relay: Option<String>,
        /// Print JSON, for programs.
        #[arg(long, requires = "network")]
        json: bool,
    },
    /// Lists the DNS records to publish for the mail domain, and says what is wrong with those that are.
    #[command(after_help = "\
Examples:
  hearth dns --config /etc/hearth.toml             # as a web panel wants them, and what is wrong
  hearth dns --config /etc/hearth.toml --zone      # lines for a zone file
  hearth dns --config /etc/hearth.toml --check     # for scripts: fails unless mail works
  hearth dns --config /etc/hearth.toml --rotate-key

The key of the signatures can be changed at any time: --rotate-key makes the next one. Publish its record beside the
present one. The server looks for it every hour, signs with the new key as soon as it is there, and tells for a week that
the old record is still needed.")]
    Dns(DnsArguments),
    /// Gives the running server its name, and shows whether others reach it by that.
    #[command(
        subcommand,
        after_help = "\
A name makes a server that only the home can reach one that everybody can: it gets a certificate from an authority, its \
router forwards its ports, and with a DNS provider's token its records are written and kept up to date. Accounts that \
were made before keep their address."
    )]
    Name(NameCommand),
    /// Shows the status of the running server.
    #[command(after_help = "\
Examples:
  hearth status --config /etc/hearth.toml
  hearth status --config /etc/hearth.toml --json")]
    Status {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Opens the pairing window of the running server and prints the link and its QR code.
    #[command(after_help = "\
Example:
  hearth pair --config /etc/hearth.toml

Scan the code with Delta Chat, or open the link on the phone. Each code makes one account.")]
    Pair {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Invites people who are not beside the box.
    #[command(
        subcommand,
        after_help = "\
An invite is a link that makes accounts, as many as it says and until it ends, in every registration mode but
\"closed\". With \"open\" none is needed."
    )]
    Invite(InviteCommand),
    /// Shows and steers the mail that waits for other servers.
    #[command(
        subcommand,
        after_help = "\
Mail waits when another server does not take it at once. It is tried again after a minute, then after growing pauses, \
for two days; then its sender gets a report. Addresses are shown only with `--addresses`."
    )]
    Queue(QueueCommand),
    /// Checks, counts and copies the store of a stopped server.
    #[command(
        subcommand,
        after_help = "\
The store is the directory `store` in the configuration's state directory. A server that is running keeps it locked."
    )]
    Store(StoreCommand),
    /// Is the first process of a box; nothing else should start it.
    Init,
    /// Is a process of the box that works on the owner's file on the card; started by `init` only.
    #[command(subcommand, hide = true)]
    OwnerFile(OwnerFileCommand),
    /// Is a process of the box that reads packets from the network; started by `init` only.
    #[command(hide = true)]
    Network {
        /// `configuration`, `responder` or `time`.
        role: init::Role,
        /// The box's host name.
        name: String,
        #[command(flatten)]
        time: TimeArguments,
    },
}

/// The arguments of the time client.
#[derive(Debug, Args)]
pub(crate) struct TimeArguments {
    /// A time server: a name, an IP address, or an IP address with a port. May be given several times.
    #[arg(long = "server", value_name = "SERVER")]
    servers: Vec<init::TimeServer>,
    /// The time at which the image was built, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", default_value_t = host::clock::PROGRAM_WRITTEN.0)]
    built: u64,
    /// A time before which the clock is not set, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    known: u64,
    /// The host name of a web server whose date counts while no time server is believed. May be given several times.
    #[arg(long = "date-host", value_name = "NAME")]
    web_servers: Vec<init::WebServer>,
    /// A PEM file with root certificates that are trusted for dates, beside those of the machine.
    #[arg(long, value_name = "FILE")]
    date_roots: Option<PathBuf>,
    /// The seconds for which time servers are waited for before web servers are asked.
    #[arg(long, value_name = "SECONDS", default_value_t = init::DATES_PATIENCE.as_secs())]
    date_patience: u64,
    /// Leave the clock as it is, and tell what would be done.
    #[arg(long)]
    trial: bool,
}

impl TimeArguments {
    /// Further root certificates for dates.
    pub(crate) fn date_roots(&self) -> Option<tls::Roots> {
        self.date_roots.clone().map(tls::Roots::File)
    }
}

impl From<TimeArguments> for init::TimeSettings {
    fn from(arguments: TimeArguments) -> Self {
        let TimeArguments { servers, built, known, web_servers, date_roots: _, date_patience, trial } =
            arguments;
        let patience = Duration::from_secs(date_patience);
        Self { servers, built, known, web_servers, patience, trial }
    }
}

/// The tasks of the processes that work on the owner's files, which are on the card's boot partition.
#[derive(Debug, Subcommand)]
pub(crate) enum OwnerFileCommand {
    /// Prints the owner's files as a JSON line each: hearth.toml, and then wireguard.conf. The standard input is the
    /// partition.
    Read,
    /// Judges a wireguard.conf, and prints the judgement as a JSON line. The standard input is the line that `read` has
    /// printed for it, and then the text that is kept on the box.
    Tunnel,
    /// Masks the secrets of imported files, and writes the report beside them. The standard input is the partition.
    Finish {
        /// The secrets of hearth.toml are kept elsewhere.
        #[arg(long)]
        imported: bool,
        /// The secrets of wireguard.conf are kept elsewhere.
        #[arg(long)]
        tunnel_imported: bool,
        /// The text of the report.
        #[arg(long, value_name = "TEXT")]
        report: String,
    },
}

/// The commands for invites.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// Makes an invite and prints its link and QR code. They are shown only this once.
    #[command(after_help = "\
Examples:
  hearth invite new --config /etc/hearth.toml
  hearth invite new --config /etc/hearth.toml --uses 5 --expires 2w
  hearth invite new --config /etc/hearth.toml --json")]
    New {
        #[command(flatten)]
        config: ConfigFile,
        /// Number of accounts that it makes, 100 at most.
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// Lifetime: a number with m, h, d or w; 365 days at most.
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = relay_policy::parse_lifetime)]
        expires: u64,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Lists invites: ID, accounts left, end. Their links are secret.
    #[command(after_help = "\
Examples:
  hearth invite list --config /etc/hearth.toml
  hearth invite list --config /etc/hearth.toml --json")]
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Makes an invite worthless. Accounts that were made with it stay.
    #[command(after_help = "\
Example:
  hearth invite revoke --config /etc/hearth.toml 3f2a9c01")]
    Revoke {
        #[command(flatten)]
        config: ConfigFile,
        /// The invite's ID, as `hearth invite list` shows it.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The commands for the server's name.
#[derive(Debug, Subcommand)]
pub(crate) enum NameCommand {
    /// Sets the name; the server starts anew with it.
    #[command(after_help = "\
Examples:
  hearth name set --config /etc/hearth.toml chat.example.org     # the records are yours to write: see hearth dns
  hearth name set --config /etc/hearth.toml smith.dedyn.io --secret-file token.txt
  hearth name set --config /etc/hearth.toml smith.duckdns.org --secret-file -
  hearth name set --config /etc/hearth.toml chat.example.org --provider rfc2136 --server 192.0.2.53 \\
      --key-name hearth --secret-file key.txt
  hearth name set --config /etc/hearth.toml '[192.0.2.1]'        # an address that keeps, and no name

A name without a provider forgets the provider of the last one.")]
    Set(Box<NameSetting>),
    /// Shows certificate, records, router and addresses.
    #[command(after_help = "\
Examples:
  hearth name show --config /etc/hearth.toml
  hearth name show --config /etc/hearth.toml --json")]
    Show {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// The arguments of `hearth name set`.
#[derive(Debug, Args)]
pub(crate) struct NameSetting {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The domain, or an address in brackets.
    #[arg(value_name = "NAME")]
    pub(crate) domain: String,
    /// The provider of its records: desec, duckdns, dyndns2 or rfc2136.
    #[arg(long, value_name = "KIND")]
    pub(crate) provider: Option<String>,
    /// A file with the provider's token, password or key in its first line; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The address for updates.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The user (dyndns2).
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// The primary name server (rfc2136).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) server: Option<String>,
    /// The zone (rfc2136).
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// The key's name (rfc2136).
    #[arg(long, value_name = "NAME")]
    pub(crate) key_name: Option<String>,
    /// The key's algorithm (rfc2136): hmac-sha256, hmac-sha384 or hmac-sha512.
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) key_algorithm: Option<String>,
}

/// The commands for the queue of mail for other servers.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Lists queued messages, oldest first: domain, attempts, and the last answer of its servers.
    #[command(after_help = "\
Examples:
  hearth queue list --config /etc/hearth.toml
  hearth queue list --config /etc/hearth.toml --addresses
  hearth queue list --config /etc/hearth.toml --json")]
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Name senders and recipients, too.
        #[arg(long)]
        addresses: bool,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Tries queued messages now.
    #[command(after_help = "\
Examples:
  hearth queue retry --config /etc/hearth.toml 3f 40
  hearth queue retry --config /etc/hearth.toml --all")]
    Retry {
        #[command(flatten)]
        config: ConfigFile,
        /// The messages' IDs, as `hearth queue list` shows them.
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All messages.
        #[arg(long)]
        all: bool,
    },
    /// Removes a queued message. Its sender gets a report.
    #[command(after_help = "\
Examples:
  hearth queue drop --config /etc/hearth.toml 3f
  hearth queue drop --config /etc/hearth.toml 3f --silent

A message that is being tried in this moment may still arrive.")]
    Drop {
        #[command(flatten)]
        config: ConfigFile,
        /// The message's ID, as `hearth queue list` shows it.
        #[arg(value_name = "ID")]
        id: String,
        /// Tell the sender nothing.
        #[arg(long)]
        silent: bool,
    },
}

/// The arguments of `hearth dns`.
#[derive(Debug, Args)]
pub(crate) struct DnsArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Print lines for a zone file (RFC 1035), without a comparison.
    #[arg(long, conflicts_with_all = ["json", "check"])]
    pub(crate) zone: bool,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Fail also if what is published cannot be looked up.
    #[arg(long)]
    pub(crate) check: bool,
    /// List the records only.
    #[arg(long, conflicts_with = "check")]
    pub(crate) offline: bool,
    /// Make the next key of the signatures first.
    #[arg(long)]
    pub(crate) rotate_key: bool,
}

/// The commands for a store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Reads every file, every record and every byte of every message; tells what is damaged and repairs what can be.
    Check {
        #[command(flatten)]
        store: StoreDirectory,
    },
    /// Counts what the store holds and takes.
    Stats {
        #[command(flatten)]
        store: StoreDirectory,
    },
    /// Copies the store to a new directory, reads the copy back, and checks it. A server can run on the copy.
    #[command(after_help = "\
Example:
  hearth store export /var/lib/hearth/store /mnt/usb/hearth-2026-11-22")]
    Export {
        #[command(flatten)]
        store: StoreDirectory,
        /// A directory that is new or empty.
        #[arg(value_name = "TARGET")]
        target: PathBuf,
    },
    /// Throws the index away and makes it again; never needed, never harmful.
    RebuildIndex {
        #[command(flatten)]
        store: StoreDirectory,
    },
}

/// A store, and how to speak of it.
#[derive(Debug, Args)]
pub(crate) struct StoreDirectory {
    /// The store's directory.
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The configuration's file.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration, a TOML file; every key is optional.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }
}
