//! The pace of reports to other domains: they are written to the disk beyond all quotas, and others cause them.

use host::clock;
use host::locks::Mutex;
use mail_types::Domain;
use relay_policy::{RateLimiter, SendRate};

/// Reports to one domain: lists of which some are wrong are rare, and who has more of them is trying addresses out.
const TO_A_DOMAIN: SendRate = SendRate { per_minute: 1, burst: 20 };
/// Reports to all domains, of which anybody can have any number. In the two days that a report may wait for its
/// transmission these are 6000 reports: with 20 kB each, 120 MB.
const TO_ALL: SendRate = SendRate { per_minute: 2, burst: 200 };

/// The pace of reports.
pub(super) struct ReportPace {
    domains: Mutex<RateLimiter<Domain>>,
    all: Mutex<RateLimiter<()>>,
}

impl Default for ReportPace {
    fn default() -> Self {
        Self { domains: Mutex::new(RateLimiter::new(TO_A_DOMAIN)), all: Mutex::new(RateLimiter::new(TO_ALL)) }
    }
}

impl ReportPace {
    /// Whether a report to this domain may be written; if so, it counts.
    pub(super) fn permits(&self, domain: &Domain) -> bool {
        let now = clock::now();
        self.domains.lock().check(now, domain).is_ok_and(|delay| delay.is_zero())
            && self.all.lock().permits(now)
    }
}

#[cfg(test)]
mod tests {
    use super::ReportPace;

    #[test]
    fn one_domain_does_not_use_up_all_reports_and_many_domains_do() {
        let pace = ReportPace::default();
        let permitted = |domain: &str| (0..100).filter(|_| pace.permits(&domain.parse().unwrap())).count();
        assert_eq!(permitted("a.test"), 20);
        assert_eq!(permitted("b.test"), 20);
        let others: usize = (0..20).map(|number| permitted(&format!("c{number}.test"))).sum();
        assert_eq!(others, 160);
    }
}
