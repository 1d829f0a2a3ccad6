//! The report to a sender whose message could not be delivered (RFC 3464, RFC 3462).
//!
//! Clients recognise it by MAILER-DAEMON in From and map it to the message by the Message-ID in the quoted header
//! section; other relays let it in because it says Auto-Submitted. The driver signs it and sends it from `<>`.

use mail_types::{Address, Domain, UnixTime};
use smtp::Reply;

/// How much of the original header section is quoted.
const QUOTE_LIMIT: usize = 64 * 1024;

/// A recipient that was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecipient {
    /// The address.
    pub address: Address,
    /// The enhanced status code, such as `5.1.1`: class, subject, detail.
    pub status: (u8, u16, u16),
    /// What the other side said, or what went wrong here.
    pub diagnostic: Reply,
}

/// A bounce to be written.
#[derive(Clone, Debug)]
pub struct Bounce<'a> {
    /// Our mail domain.
    pub domain: &'a Domain,
    /// Whom to tell.
    pub to: &'a Address,
    /// Who was not reached; at least one.
    pub failed: &'a [FailedRecipient],
    /// The start of the original message: at least its header section. The body is not quoted.
    pub original: &'a [u8],
    /// When this is written.
    pub now: UnixTime,
    /// Chance for the Message-ID and the boundary.
    pub random: [u8; 16],
}

impl Bounce<'_> {
    /// The message, with CR LF line ends.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { domain, to, .. } = self;
        let token = format!("{:032x}", u128::from_be_bytes(self.random));
        let date = date_time(self.now);
        let boundary = format!("hearth-{token}");
        let host = match domain {
            Domain::Name(name) => name.clone(),
            Domain::Ipv4(_) | Domain::Ipv6(_) => domain.to_string(),
        };
        let mut report = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\n\
             To: <{to}>\r\n\
             Subject: Undelivered Mail Returned to Sender\r\n\
             Date: {date}\r\n\
             Message-ID: <{token}@{id_host}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n",
            id_host = host.trim_matches(['[', ']']).replace(':', "."),
        );
        report.push_str(&self.explanation());
        report.push_str(&format!("\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"));
        report.push_str(&self.status(&host));
        report.push_str(&format!("\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"));
        let mut report = report.into_bytes();
        quote_header(self.original, &mut report);
        report.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        report
    }

    /// For people.
    fn explanation(&self) -> String {
        let mut text = "This is the mail delivery system of your relay.\r\n\r\n\
                        Your message could not be delivered to:\r\n"
            .to_owned();
        for FailedRecipient { address, diagnostic, .. } in self.failed {
            text.push_str(&format!("\r\n<{address}>: {diagnostic}\r\n"));
        }
        text
    }

    /// For programs: RFC 3464 section 2.
    fn status(&self, host: &str) -> String {
        let mut text = format!("Reporting-MTA: dns; {host}\r\n");
        for FailedRecipient { address, status: (class, subject, detail), diagnostic } in self.failed {
            text.push_str(&format!(
                "\r\nFinal-Recipient: rfc822; {address}\r\nAction: failed\r\n\
                 Status: {class}.{subject}.{detail}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n"
            ));
        }
        text
    }
}

/// Appends the lines up to the first empty one, as far as the limit goes.
fn quote_header(original: &[u8], report: &mut Vec<u8>) {
    let limit = report.len().saturating_add(QUOTE_LIMIT);
    for line in original.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.is_empty() || report.len().saturating_add(line.len()) > limit {
            return;
        }
        report.extend_from_slice(line);
        report.extend_from_slice(b"\r\n");
    }
}

/// date-time = day-name "," day month year hour ":" minute ":" second zone (RFC 5322 section 3.3), in UTC.
fn date_time(time: UnixTime) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    // What lies beyond is a broken clock; the year 9999 is as good a date as any then.
    let seconds = time.0.min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The calendar repeats every 400 years of 146 097 days, and years that begin in March end with the leap day.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year_of_era + u64::from(month >= 10);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    format!(
        "{}, {day} {} {year} {:02}:{:02}:{:02} +0000",
        name(&WEEKDAYS, days % 7),
        name(&MONTHS, month),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::date_time;
    use mail_types::UnixTime;

    #[test]
    fn dates_are_right_around_leap_days_and_turns_of_years() {
        for (time, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_800, "Wed, 1 Mar 2000 00:00:00 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (1_735_689_600, "Wed, 1 Jan 2025 00:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date_time(UnixTime(time)), expected);
        }
    }
}
