//! Metrics in the OpenMetrics format, for Prometheus and its like: counters since the start and gauges of now, about the
//! server as a whole. No name, address or domain of a person is among them.

mod exposition;
mod families;

use web::{BoxFuture, MetricsSource};

use crate::operation::observed::Observed;
use crate::runtime::blocking;
use families::{Stored, families};

impl MetricsSource for Observed {
    fn exposition(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async {
            let store = self.store.clone();
            let stored = blocking::run(move || Stored::count(&store)).await.ok()?.ok()?;
            Some(exposition::write(&families(self, stored)))
        })
    }
}
