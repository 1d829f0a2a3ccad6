//! DNS providers and an address service on this machine. They speak the providers' protocols as published; what deSEC is
//! told is answered by the laboratory's name servers.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use test_support::desec::{Model, TOKEN};
use test_support::http_server::{Reply, Request, Server};
use tokio::runtime::Runtime;

use crate::internet::{DYNAMIC_ZONE, DynamicZone, Internet};
use crate::waiting::now;

/// The least time to live at deSEC, in seconds.
const MINIMUM_TTL: u64 = 60;

/// A web server in a runtime of its own; it ends when dropped.
struct Hosted {
    server: Server,
    _runtime: Runtime,
}

impl Hosted {
    fn start(address: Ipv4Addr, answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let server = runtime.block_on(Server::start_at(address, answers));
        Ok(Self { server, _runtime: runtime })
    }
}

/// deSEC with one domain, [`DYNAMIC_ZONE`], whose records the name servers have.
pub struct Desec {
    hosted: Hosted,
    /// Its state.
    pub model: Arc<Mutex<Model>>,
}

impl Desec {
    /// Starts it.
    pub fn start(internet: &Internet) -> Result<Self> {
        let model = Arc::new(Mutex::new(Model::of(DYNAMIC_ZONE, MINIMUM_TTL)));
        let (shared, zone, begun) = (Arc::clone(&model), internet.names().dynamic_zone(), now());
        let hosted = Hosted::start(Ipv4Addr::LOCALHOST, move |request| {
            let mut model = shared.lock().unwrap_or_else(PoisonError::into_inner);
            // The model's limits are about the time since the epoch.
            model.now = (now() - begun).as_secs() + 1_000_000;
            let reply = model.answer(request);
            publish(&zone, request, &model);
            reply
        })?;
        Ok(Self { hosted, model })
    }

    /// The URL of its API.
    #[must_use]
    pub fn url(&self) -> String {
        self.hosted.server.url("/api/v1/")
    }

    /// The token of its only customer.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Answers the next write so.
    pub fn answer_next(&self, reply: Reply) {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).instead.push(reply);
    }

    /// Takes the requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.hosted.server.requests()
    }
}

fn publish(zone: &DynamicZone, request: &Request, model: &Model) {
    if request.method == "PATCH" {
        zone.replace(&model.zone_file()).expect("the name servers take the records");
    }
}

/// A provider that speaks dyndns2, whose one name is below [`DYNAMIC_ZONE`].
pub struct DynDns2 {
    hosted: Hosted,
}

impl DynDns2 {
    /// Starts it at this address, for this name.
    pub fn start(internet: &Internet, address: Ipv4Addr, name: &str) -> Result<Self> {
        let (zone, name) = (internet.names().dynamic_zone(), name.to_owned());
        let hosted = Hosted::start(address, move |request| {
            if request.parameter("hostname").as_deref() != Some(name.as_str()) {
                return Reply::Answer(200, "nohost".to_owned());
            }
            let Some(address) = request.parameter("myip") else {
                return Reply::Answer(200, "911".to_owned());
            };
            zone.replace(&[format!("{name}. 1 A {address}")]).expect("the name servers take the record");
            Reply::Answer(200, format!("good {address}"))
        })?;
        Ok(Self { hosted })
    }

    /// The update URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.hosted.server.url("/nic/update")
    }

    /// Takes the requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.hosted.server.requests()
    }
}

/// A service that tells an address to all who ask, whoever they are.
pub struct AddressService {
    hosted: Hosted,
    told: Arc<Mutex<Option<Ipv4Addr>>>,
}

impl AddressService {
    /// Starts one that tells this.
    pub fn start(address: &str) -> Result<Self> {
        let told = Arc::new(Mutex::new(Some(address.parse()?)));
        let shared = Arc::clone(&told);
        let hosted = Hosted::start(Ipv4Addr::LOCALHOST, move |_| {
            let told = *shared.lock().unwrap_or_else(PoisonError::into_inner);
            told.map_or(Reply::Answer(503, "Later".to_owned()), |address| {
                Reply::Answer(200, format!("{address}\n"))
            })
        })?;
        Ok(Self { hosted, told })
    }

    /// Tells another address from now on, or none.
    pub fn tell(&self, address: Option<&str>) -> Result<()> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = address.map(str::parse).transpose()?;
        Ok(())
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.hosted.server.url("/")
    }

    /// Takes the requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.hosted.server.requests()
    }
}
