//! Finds peers on the local network, and lets them find us (mDNS, RFC 6762; DNS-SD, RFC 6763).
//!
//! On the wire stand random names that live as long as the process, our peer id, which every caller learns anyway, and
//! the addresses of the interface asked on: no name of the home and none of the machine.
//!
//! The library's thread keeps every record it hears for as long as the record says. So its memory is watched, and under
//! a flood of names it is stopped for a while: we are then not found, but who knows us still calls us.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use libp2p::PeerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use mdns_sd::{Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use meerkat_protocols::mesh::Peer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::address::{peer_id_text, peer_of};

const UDP: &str = "_meerkat._udp.local.";
const TCP: &str = "_meerkat._tcp.local.";
const VERSION: &str = "1";

/// Names we follow until they are taken back. Others are passed on and forgotten.
const MAX_NAMES: usize = 512;
/// Addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 8;
/// An Ed25519 peer id has 52 characters.
const MAX_ID_BYTES: usize = 64;
/// Records in the library's memory, at about 0.5 kB: 300 neighbours on one network have 2,000.
const MAX_RECORDS: i64 = 4096;
/// How often they are counted. 1,000 names a second with four records each are 8,000 until then, some 4 MB.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// After a flood, or when the library failed.
const PAUSE: Duration = Duration::from_secs(60);
/// Names still there are told again, for those who could not be reached meanwhile.
const REMIND_EVERY: Duration = Duration::from_secs(60);
/// For the goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Seen { peer: Peer, addresses: Vec<Multiaddr> },
    Gone { peer: Peer },
    Trouble(String),
}

/// Where we can be reached, as the local network is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// QUIC, else TCP.
    pub(crate) quic: bool,
    pub(crate) port: u16,
    /// Empty: on all interfaces.
    pub(crate) ips: Vec<IpAddr>,
}

pub(crate) struct Nearby {
    pub(crate) news: mpsc::Receiver<News>,
    reach: watch::Sender<Option<Reach>>,
    task: JoinHandle<()>,
}

impl Nearby {
    /// On the current runtime, and a thread of the library's own.
    pub(crate) fn start(own: Peer) -> Self {
        let (news_out, news) = mpsc::channel(MAX_NAMES);
        let (reach, reach_in) = watch::channel(None);
        let task = tokio::spawn(live(own, reach_in, news_out));
        Self { news, reach, task }
    }

    pub(crate) fn tell(&self, reach: Option<Reach>) {
        self.reach.send_if_modified(|known| {
            let changed = *known != reach;
            *known = reach;
            changed
        });
    }

    /// Takes our name back and ends the thread.
    pub(crate) async fn stop(self) {
        drop(self.reach);
        if timeout(4 * FAREWELL, self.task).await.is_err() {
            tracing::debug!("mDNS did not say goodbye in time");
        }
    }
}

/// Why one life of the library's thread ended.
enum End {
    Stopped,
    Flooded,
    Failed(String),
}

async fn live(own: Peer, mut reach: watch::Receiver<Option<Reach>>, news: mpsc::Sender<News>) {
    let mut told = false;
    loop {
        let end = match Life::start(own) {
            Ok(mut life) => {
                let end = life.run(&mut reach, &news).await;
                life.end().await;
                end
            }
            Err(error) => End::Failed(error.to_string()),
        };
        let trouble = match end {
            End::Stopped => return,
            End::Flooded => {
                "something on the local network announces more nodes than there can be; looking for neighbours there \
                 pauses for a minute. Find the device, or give neighbours' addresses with --peer"
                    .to_owned()
            }
            End::Failed(error) => format!(
                "neighbours on the local network cannot be found (mDNS): {error}. Give their addresses with --peer; \
                 this is tried again every minute"
            ),
        };
        if !std::mem::replace(&mut told, true) {
            // A full queue has news enough.
            let _ = news.try_send(News::Trouble(trouble));
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = async { while reach.changed().await.is_ok() {} } => return,
        }
    }
}

struct Life {
    own: Peer,
    daemon: ServiceDaemon,
    found: [Receiver<ServiceEvent>; 2],
    instance: String,
    host: String,
    announced: Option<String>,
    names: BTreeMap<String, (Peer, Vec<Multiaddr>)>,
}

impl Life {
    fn start(own: Peer) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        let found = [daemon.browse(UDP)?, daemon.browse(TCP)?];
        let (instance, host) = (random_name()?, format!("{}.local.", random_name()?));
        Ok(Self { own, daemon, found, instance, host, announced: None, names: BTreeMap::new() })
    }

    async fn run(&mut self, reach: &mut watch::Receiver<Option<Reach>>, news: &mpsc::Sender<News>) -> End {
        let mut count = interval(COUNT_EVERY);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut remind = tokio::time::interval_at(Instant::now() + REMIND_EVERY, REMIND_EVERY);
        reach.mark_changed();
        loop {
            let [udp, tcp] = &self.found;
            tokio::select! {
                changed = reach.changed() => {
                    if changed.is_err() {
                        return End::Stopped;
                    }
                    let reach = reach.borrow_and_update().clone();
                    if let Err(error) = self.announce(reach.as_ref()) {
                        return End::Failed(error.to_string());
                    }
                }
                // The library ends a subscription whose 1,000 places are full.
                event = udp.recv_async() => match event {
                    Ok(event) => self.heard(event, news),
                    Err(_) => return End::Flooded,
                },
                event = tcp.recv_async() => match event {
                    Ok(event) => self.heard(event, news),
                    Err(_) => return End::Flooded,
                },
                _ = count.tick() => if self.records().await > MAX_RECORDS {
                    return End::Flooded;
                },
                _ = remind.tick() => self.remind(news),
            }
        }
    }

    fn announce(&mut self, reach: Option<&Reach>) -> Result<(), mdns_sd::Error> {
        if let Some(name) = self.announced.take() {
            // Its answer comes when the goodbye is out; nobody waits for it.
            self.daemon.unregister(&name)?;
        }
        let Some(reach) = reach else { return Ok(()) };
        let id = peer_id_text(self.own);
        let txt = [("id", id.as_str()), ("v", VERSION)];
        let kind = if reach.quic { UDP } else { TCP };
        let mut service =
            ServiceInfo::new(kind, &self.instance, &self.host, reach.ips.as_slice(), reach.port, &txt[..])?;
        if reach.ips.is_empty() {
            service = service.enable_addr_auto();
        }
        let name = service.get_fullname().to_owned();
        self.daemon.register(service)?;
        self.announced = Some(name);
        Ok(())
    }

    fn heard(&mut self, event: ServiceEvent, news: &mpsc::Sender<News>) {
        let report = match event {
            ServiceEvent::ServiceResolved(service) => {
                let Some((peer, addresses)) = read(&service).filter(|(peer, _)| *peer != self.own) else { return };
                if self.names.len() < MAX_NAMES || self.names.contains_key(&service.fullname) {
                    self.names.insert(service.fullname.clone(), (peer, addresses.clone()));
                }
                News::Seen { peer, addresses }
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                let Some((peer, _)) = self.names.remove(&name) else { return };
                if self.names.values().any(|(other, _)| *other == peer) {
                    return;
                }
                News::Gone { peer }
            }
            _ => return,
        };
        // A full queue is a flood; the reminder makes up for it.
        let _ = news.try_send(report);
    }

    fn remind(&self, news: &mpsc::Sender<News>) {
        for (peer, addresses) in self.names.values() {
            let _ = news.try_send(News::Seen { peer: *peer, addresses: addresses.clone() });
        }
    }

    /// How many records the library holds.
    async fn records(&self) -> i64 {
        let Ok(answer) = self.daemon.get_metrics() else { return 0 };
        match timeout(COUNT_EVERY, answer.recv_async()).await {
            Ok(Ok(metrics)) => {
                metrics.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| *count).sum()
            }
            // It is too busy to count.
            Ok(Err(_)) | Err(_) => i64::MAX,
        }
    }

    async fn end(self) {
        if let Some(Ok(answer)) = self.announced.map(|name| self.daemon.unregister(&name)) {
            let _ = timeout(FAREWELL, answer.recv_async()).await;
        }
        if let Ok(answer) = self.daemon.shutdown() {
            let _ = timeout(FAREWELL, answer.recv_async()).await;
        }
    }
}

/// The peer and the addresses it can be called at; `None` if it is not one of us or only has useless addresses.
fn read(service: &ResolvedService) -> Option<(Peer, Vec<Multiaddr>)> {
    let id = service.get_property_val_str("id").filter(|id| id.len() <= MAX_ID_BYTES)?;
    if service.get_property_val_str("v") != Some(VERSION) || service.port == 0 {
        return None;
    }
    let peer = peer_of(&id.parse::<PeerId>().ok()?)?;
    let quic = service.ty_domain == UDP;
    let ips = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(is_local);
    let addresses: Vec<Multiaddr> = ips.take(MAX_ADDRESSES).map(|ip| multiaddr(ip, quic, service.port)).collect();
    (!addresses.is_empty()).then_some((peer, addresses))
}

fn multiaddr(ip: IpAddr, quic: bool, port: u16) -> Multiaddr {
    if quic {
        Multiaddr::from(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1)
    } else {
        Multiaddr::from(ip).with(Protocol::Tcp(port))
    }
}

/// Whether a neighbour on the same network can have this address. A forged record must not make us call hosts on the
/// internet. IPv6 link-local ones need a zone, which the transports cannot be told; IPv4 ones (RFC 3927) work.
fn is_local(ip: &IpAddr) -> bool {
    match ip {
        // 100.64.0.0/10 is the shared space of RFC 6598.
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        // A home's IPv6 addresses are global as a rule: RFC 4193 (fc00::/7) and 2000::/3.
        IpAddr::V6(ip) => ip.is_unique_local() || ip.segments()[0] & 0xe000 == 0x2000,
    }
}

/// 80 random bits in letters and digits.
fn random_name() -> Result<String, mdns_sd::Error> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|error| mdns_sd::Error::Msg(error.to_string()))?;
    Ok(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn service(ips: &str, id: &str, version: &str) -> ResolvedService {
        let txt = [("id", id), ("v", version)];
        ServiceInfo::new(UDP, "name", "host.local.", ips, 4787, &txt[..]).expect("a service").as_resolved_service()
    }

    #[test]
    fn a_record_gives_peer_and_local_addresses() {
        let (peer, mut addresses) =
            read(&service("192.168.1.7,8.8.8.8,127.0.0.1,fe80::1,fd00::7", ID, VERSION)).expect("one of us");
        addresses.sort_by_key(ToString::to_string);
        assert_eq!(peer_id_text(peer), ID);
        let expected = ["/ip4/192.168.1.7/udp/4787/quic-v1", "/ip6/fd00::7/udp/4787/quic-v1"];
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn strange_records_are_passed_over() {
        assert_eq!(read(&service("192.168.1.7", "nobody", VERSION)), None);
        assert_eq!(read(&service("192.168.1.7", &"1".repeat(200), VERSION)), None);
        assert_eq!(read(&service("192.168.1.7", ID, "2")), None);
        assert_eq!(read(&service("8.8.8.8,fe80::1", ID, VERSION)), None);
    }

    #[test]
    fn names_are_new_each_time() {
        let (one, other) = (random_name().expect("chance"), random_name().expect("chance"));
        assert_eq!(one.len(), 16);
        assert_ne!(one, other);
    }
}
