//! OpenDKIM as relays run it: signs what their people send, and lets nothing in that bears no right signature.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Host, NAME_SERVER, Service};

/// The selector of relays' keys (RFC 6376 section 3.1).
const SELECTOR: &str = "opendkim";
/// The fields that relays sign once more than they are there, so that none can be added.
const OVERSIGNED: &str = "from,reply-to,subject,date,to,cc,resent-date,resent-from,resent-sender,resent-to,resent-cc,\
                          in-reply-to,references,list-id,list-help,list-unsubscribe,list-subscribe,list-post,\
                          list-owner,list-archive,autocrypt";

/// For libunbound, which takes it that nothing below `test.` exists (RFC 6761 section 6.2), and would ask the internet's
/// root servers instead of the resolver of this host.
const RESOLVER: &str =
    "server:\n local-zone: \"test.\" nodefault\nforward-zone:\n name: \".\"\n forward-addr: ";

/// Relays insist on a signature by the domain of the address in From; OpenDKIM alone takes one by anybody.
const ALIGNED: &str = r#"
if odkim.get_mtasymbol(ctx, "{daemon_name}") == "ORIGINATING" then return nil end
local from = odkim.get_fromdomain(ctx)
for number = 0, odkim.get_sigcount(ctx) - 1 do
  local signature = odkim.get_sighandle(ctx, number)
  local domain = odkim.sig_getdomain(signature)
  -- The script is run once without a message, to see that it is one: then nothing is a text.
  if type(domain) ~= "string" then return nil end
  if odkim.sig_result(signature) == 0 and string.lower(domain) == string.lower(from) then return nil end
end
odkim.set_reply(ctx, "554", "5.7.1", "No valid DKIM signature found")
odkim.set_result(ctx, SMFIS_REJECT)
return nil
"#;

/// A running milter.
pub struct OpenDkim {
    /// The key's record, for the zone.
    pub record: String,
    socket: PathBuf,
    _service: Service,
}

impl OpenDkim {
    /// Starts it for a host, with a new key.
    pub fn start(host: &Host) -> Result<Self> {
        let folder = host.folder.join("opendkim");
        std::fs::create_dir_all(&folder)?;
        let (domain, at) = (&host.domain, folder.display());
        let record = make_key(host)?;
        std::fs::write(folder.join("final.lua"), ALIGNED)?;
        std::fs::write(folder.join("resolver.conf"), format!("{RESOLVER}{NAME_SERVER}\n"))?;
        let socket = folder.join("socket");
        let configuration = folder.join("opendkim.conf");
        std::fs::write(
            &configuration,
            format!(
                "Syslog no\nRequireSafeKeys no\nUserID root\nUMask 000\nMode sv\nSocket local:{at}/socket\nCanonicalization relaxed/simple\n\
                 On-BadSignature reject\nOn-KeyNotFound reject\nOn-NoSignature reject\nDNSTimeout 10\n\
                 Domain {domain}\nSelector {SELECTOR}\nKeyFile {at}/key.pem\nSignHeaders *,+autocrypt,+content-type\n\
                 OversignHeaders {OVERSIGNED}\nMTA ORIGINATING\nInternalHosts -\nFinalPolicyScript {at}/final.lua\n\
                 ResolverConfiguration {at}/resolver.conf\n"
            ),
        )?;
        let mut command = Command::new("opendkim");
        command.arg("-f").arg("-x").arg(configuration);
        let mut service = Service::start("opendkim", command, &folder.join("log"))?;
        service.wait_until("its socket is there", || socket.exists())?;
        Ok(Self { record, socket, _service: service })
    }

    /// The name under which Postfix finds it.
    #[must_use]
    pub fn milter(&self) -> String {
        format!("unix:{}", self.socket.display())
    }
}

/// Makes a key as `opendkim-genkey` does; gives its record.
fn make_key(host: &Host) -> Result<String> {
    let key = host.folder.join("opendkim/key.pem");
    openssl(&["genrsa", "-out", &key.display().to_string(), "2048"], &[])?;
    public_record(SELECTOR, &host.domain, &std::fs::read(key)?, "PEM")
}

/// The record of a private key, as relays publish it (RFC 6376 section 3.6.1).
pub(super) fn public_record(selector: &str, domain: &str, key: &[u8], form: &str) -> Result<String> {
    let public = openssl(&["rsa", "-pubout", "-inform", form], key)?;
    let public: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    // A text in the DNS has 255 bytes at most.
    let (first, second) = public.split_at(public.len() / 2);
    Ok(format!("{selector}._domainkey.{domain}. TXT \"v=DKIM1;k=rsa;p={first}\" \"{second};s=email;t=s\""))
}

fn openssl(arguments: &[&str], input: &[u8]) -> Result<String> {
    let mut command = Command::new("openssl");
    let pipes = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut openssl = pipes.spawn().context("running openssl")?;
    openssl.stdin.take().context("its standard input")?.write_all(input)?;
    let output = openssl.wait_with_output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
