//! The one task that owns the swarm. It never waits for anybody but the network.

use std::collections::{BTreeMap, HashMap, VecDeque};

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, Swarm, SwarmEvent};
use libp2p::{PeerId, ping};
use meerkat_protocols::mesh::{Event, Found, Order, Peer};
use meerkat_protocols::topic::Topic;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::address::{self, peer_id, peer_of};
use crate::behaviour::{self, Behaviour, BehaviourEvent};
use crate::book::{Book, Call};
use crate::direct::UnderWay;
use crate::judging::Judging;
use crate::listen;
use crate::members::Members;
use crate::met::{self, Met};
use crate::nat;
use crate::nearby::{Nearby, News};
use crate::outlet::Outlet;
use crate::pace::Pace;
use crate::paths::{Paths, Way};
use crate::places::{Place, ip_of, is_quic, port_of, reach};
use crate::reach::Reach;
use crate::relays::Relays;
use crate::settings::{RelayFor, Settings, Trouble};
use crate::streams::Door;
use crate::topics::Heard;
use crate::transport::Connections;
use crate::trusted::Trusted;
use crate::unsent::Unsent;

/// An error that repeats (no file handles left) is told once in this time.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// For connections to close in order.
const FAREWELL: Duration = Duration::from_secs(1);
/// QUIC calls a connection closed before the packet that says so has left (RFC 9000, 10.2 lets it linger for three probe
/// timeouts, 3 ms each on a local network). A peer that misses it holds us for present until 60 s of silence, as was
/// seen on a busy machine.
const LAST_PACKETS: Duration = Duration::from_millis(200);

pub(crate) struct Task {
    own: Peer,
    pub(crate) swarm: Swarm<Behaviour>,
    orders: mpsc::Receiver<Order>,
    pub(crate) outlet: Outlet,
    pub(crate) book: Book,
    pub(crate) paths: Paths,
    pub(crate) under_way: UnderWay,
    pub(crate) members: Members,
    pub(crate) trusted: Trusted,
    pub(crate) heard: Heard,
    pub(crate) reach: Reach,
    pub(crate) relays: Relays,
    pub(crate) relay_for: RelayFor,
    /// Connections that are not needed any more, and when to close them.
    pub(crate) spared: Vec<(Instant, ConnectionId)>,
    /// Peers that came through a relay, when to go to them that way, and the place at the relay; one for each peer.
    pub(crate) returns: VecDeque<(Instant, Peer, Multiaddr)>,
    met: Met,
    pub(crate) judging: Judging,
    pub(crate) unsent: Unsent,
    pub(crate) pace: Pace,
    nearby: Option<Nearby>,
    /// The listeners and what they were asked to listen on.
    listeners: HashMap<ListenerId, Multiaddr>,
    /// Where we listen in fact, and by which listener.
    pub(crate) listening: BTreeMap<Multiaddr, ListenerId>,
    told: Option<Instant>,
}

impl Task {
    pub(crate) fn new(
        (transport, places): Connections,
        settings: &Settings,
        orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<Event>,
    ) -> Result<(Self, Door), Trouble> {
        let keypair = settings.keypair()?;
        let own_id = keypair.public().to_peer_id();
        let own = peer_of(&own_id).ok_or(Trouble::Key)?;
        let addresses = listen_addresses(settings)?;
        let book = book(own, settings)?;
        let trusted = Trusted::default();
        let heard = Heard::default();
        let (behaviour, [door, household]) = Behaviour::new(&keypair, places, settings.relay, &trusted, heard.clone())?;
        let swarm = Swarm::new(transport, behaviour, own_id, behaviour::swarm_config());
        let mut task = Self {
            own,
            swarm,
            orders,
            outlet: Outlet::new(events),
            book,
            paths: Paths::default(),
            under_way: UnderWay::default(),
            members: Members::new(household),
            trusted,
            heard,
            reach: Reach::default(),
            relays: Relays::default(),
            relay_for: settings.relay,
            spared: Vec::new(),
            returns: VecDeque::new(),
            met: Met::default(),
            judging: Judging::default(),
            unsent: Unsent::default(),
            pace: Pace::new(Instant::now()),
            nearby: settings.mdns.then(|| Nearby::start(own)),
            listeners: HashMap::new(),
            listening: BTreeMap::new(),
            told: None,
        };
        task.hear(&[Topic::Vouches]);
        task.listen(&addresses, settings.listen.is_empty());
        Ok((task, door))
    }

    pub(crate) fn peer(&self) -> Peer {
        self.own
    }

    pub(crate) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let now = Instant::now();
            self.forget_unjudged(now);
            self.place_calls(now);
            let pause = self.pace.next(now);
            let links = [self.close_spared(now), self.arrange_relays(now), self.return_calls(now)];
            let own = [self.judging.next_deadline(), self.book.next_due(), pause];
            let wake = links.into_iter().chain(own).flatten().min();
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                order = self.orders.recv(), if pause.is_none() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                () = self.outlet.drain(), if self.outlet.is_waiting() => {}
                news = hear(&mut self.nearby) => self.news(news),
                news = self.members.next() => self.member_news(news),
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                event = self.swarm.select_next_some() => self.event(event),
            }
        }
        self.close().await;
    }

    fn listen(&mut self, addresses: &[Multiaddr], by_default: bool) {
        for outcome in listen::listen(&mut self.swarm, addresses, by_default) {
            self.listeners.extend(outcome.listener);
            if let Some(trouble) = outcome.trouble {
                self.outlet.send(Event::Trouble(trouble));
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Publish { topic, data } => self.publish(topic, data),
            Order::Hear { topics } => self.hear(&topics),
            Order::Judge { message, validation } => self.word_on(message, validation),
            Order::Request { request, peer, data } => self.request(request, peer, data),
            Order::AskMember { request, peer, data } => self.ask_member(request, peer, data),
            Order::Members { peers } => self.members.follow(peers),
            Order::Respond { inbound, data } => self.respond(inbound, data),
            Order::Ping { peer } => self.ping(peer),
            Order::Dial { peer, addresses } => {
                self.book.want(peer, address::readable(peer, &addresses), Instant::now());
            }
            Order::Forget { peer } => self.book.forget(peer),
            Order::Trust { peer, score } => self.trust(peer, score),
        }
    }

    fn place_calls(&mut self, now: Instant) {
        while let Some(call) = self.book.due(now) {
            let entry = call.entry;
            let Some(options) = dial_options(call) else {
                self.book.refused(entry, now);
                continue;
            };
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => self.book.calling(entry, connection),
                Err(error) => {
                    tracing::debug!(%error, "no call");
                    self.book.refused(entry, now);
                }
            }
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Seen { peer, addresses } => self.book.nearby(peer, addresses, Instant::now()),
            News::Gone { peer } => self.book.gone(peer),
            News::Trouble(trouble) => self.outlet.send(Event::Trouble(trouble)),
        }
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Direct(event)) => self.direct(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(ping::Failure::Timeout | ping::Failure::Other { .. }),
                ..
            })) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, num_established, .. } => {
                self.connected(peer_id, connection_id, &endpoint, num_established.get() == 1);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.disconnected(&peer_id, connection_id, num_established == 0);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => self.call_failed(connection_id, &error),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.identified(event),
            SwarmEvent::Behaviour(BehaviourEvent::Asking(event)) => self.probed(&event),
            SwarmEvent::ExternalAddrConfirmed { address } => self.confirmed(&address),
            SwarmEvent::NewListenAddr { listener_id, address } if self.relays.is_place(listener_id) => {
                self.placed(listener_id, &address);
            }
            SwarmEvent::ListenerClosed { listener_id, .. } if self.relays.is_place(listener_id) => {
                self.place_lost(listener_id);
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.outlet.send(Event::Listening { address: self.full(&address) });
                self.listening.insert(address, listener_id);
                self.tell_reach();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.deaf(&[address]),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.deaf(&addresses);
                self.listeners.remove(&listener_id);
                if let Err(error) = reason {
                    self.outlet.send(Event::Trouble(format!(
                        "neighbours can no longer call us: {error}. Start the node again"
                    )));
                }
            }
            SwarmEvent::ListenerError { error, .. } => self.listener_error(&error),
            _ => {}
        }
    }

    fn connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint, is_first: bool) {
        // The gate lets no other keys in.
        let Some(peer) = peer_of(&id) else { return };
        let now = Instant::now();
        let found = self.book.connected(peer, connection, now);
        let (we_called, remote) = nat::ends(endpoint);
        let call = met::Call { they_called: !we_called, relayed: endpoint.is_relayed() };
        let expected = self.swarm.behaviour().asking.expects_call(&id);
        if self.met.has_forgotten_us(peer, is_first, call, now) && !expected {
            tracing::debug!(?peer, "starts anew");
            // It calls again within a second or two. An error means that it has left already.
            let _ = self.swarm.disconnect_peer_id(id);
        }
        let path = self.paths.path(endpoint);
        let changed = self.paths.opened(peer, connection, Way { path, we_called, remote });
        self.spare(peer, connection, now);
        if is_first {
            self.try_other_way(peer, endpoint, now);
            self.score(peer);
            let remote = endpoint.get_remote_address();
            let address = remote.clone().with_p2p(id).unwrap_or_else(|address| address).to_string();
            self.outlet.send(Event::Connected { peer, address, found, path });
        } else if let Some(path) = changed {
            self.outlet.send(Event::PathChanged { peer, path });
        }
    }

    fn disconnected(&mut self, id: &PeerId, connection: ConnectionId, is_last: bool) {
        let Some(peer) = peer_of(id) else { return };
        if let Some(path) = self.paths.closed(peer, connection) {
            self.outlet.send(Event::PathChanged { peer, path });
        }
        if !is_last {
            return;
        }
        self.book.lost(peer, Instant::now());
        self.met.parted(peer);
        self.relays.withdrawn(peer);
        self.outlet.send(Event::Disconnected { peer });
    }

    fn call_failed(&mut self, connection: ConnectionId, error: &DialError) {
        tracing::debug!(%error, "call failed");
        let called = self.book.called(connection);
        // A TCP call from our port to our port meets itself halfway and never learns who is there.
        let own = called.iter().any(|address| self.listening.contains_key(address));
        let what = match error {
            DialError::LocalPeerId { .. } => return self.called_ourselves(connection),
            DialError::Transport(_) if own => return self.called_ourselves(connection),
            DialError::WrongPeerId { obtained, .. } => format!("another node answers there: {obtained}"),
            DialError::Denied { .. } => "there are too many connections".to_owned(),
            _ => "no answer".to_owned(),
        };
        if let Some((Found::Configured, addresses)) = self.book.failed(connection, Instant::now()) {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            self.outlet.send(Event::Trouble(format!(
                "the peer at {} cannot be reached ({what}); this is tried again until it can. Is the address right, \
                 and is the other node running?",
                addresses.join(", ")
            )));
        }
    }

    fn called_ourselves(&mut self, connection: ConnectionId) {
        if let Some(address) = self.book.called(connection).first() {
            let text = format!("the peer address {address} leads to this node itself; take it out of the settings");
            self.outlet.send(Event::Trouble(text));
        }
        self.book.is_self(connection);
    }

    fn deaf(&mut self, addresses: &[Multiaddr]) {
        for address in addresses {
            if self.listening.remove(address).is_some() {
                self.reach.lost(address);
                self.outlet.send(Event::Deaf { address: self.full(address) });
            }
        }
        self.tell_reach();
        self.look_at_reach();
    }

    fn listener_error(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        if self.told.is_none_or(|told| now.duration_since(told) >= TELL_AGAIN) {
            self.told = Some(now);
            self.outlet
                .send(Event::Trouble(format!("this machine has no means for another call from outside: {error}")));
        }
    }

    pub(crate) fn full(&self, address: &Multiaddr) -> String {
        address.clone().with_p2p(*self.swarm.local_peer_id()).unwrap_or_else(|address| address).to_string()
    }

    fn tell_reach(&self) {
        let Some(nearby) = &self.nearby else { return };
        let places = self.listening.iter().filter_map(|(address, listener)| {
            let wildcard =
                self.listeners.get(listener).is_some_and(|asked| ip_of(asked).is_some_and(|ip| ip.is_unspecified()));
            Some(Place { ip: ip_of(address)?, quic: is_quic(address), port: port_of(address)?, wildcard })
        });
        nearby.tell(reach(&places.collect::<Vec<_>>()));
    }

    async fn close(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in &peers {
            // An error means that it has left already.
            let _ = self.swarm.disconnect_peer_id(*peer);
        }
        let hang_up = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
            if !peers.is_empty() {
                tokio::time::sleep(LAST_PACKETS).await;
            }
        };
        let silence = async {
            if let Some(nearby) = self.nearby.take() {
                nearby.stop().await;
            }
        };
        let (hung_up, ()) = tokio::join!(timeout(FAREWELL, hang_up), silence);
        tracing::debug!(in_time = hung_up.is_ok(), "network closed");
    }
}

async fn hear(nearby: &mut Option<Nearby>) -> News {
    if let Some(nearby) = nearby
        && let Some(news) = nearby.news.recv().await
    {
        return news;
    }
    std::future::pending().await
}

fn listen_addresses(settings: &Settings) -> Result<Vec<Multiaddr>, Trouble> {
    if settings.listen.is_empty() {
        return Ok(listen::default_addresses());
    }
    let read = |text: &String| address::listen(text).map_err(|source| Trouble::Address { setting: "listen", source });
    settings.listen.iter().map(read).collect()
}

fn book(own: Peer, settings: &Settings) -> Result<Book, Trouble> {
    let (mut book, now) = (Book::new(own), Instant::now());
    for text in &settings.peers {
        let (address, peer) = address::peer(text).map_err(|source| Trouble::Address { setting: "peers", source })?;
        book.add(peer, vec![address], Found::Configured, now);
    }
    for (peer, addresses) in &settings.remembered {
        // Our own notes of an earlier time, perhaps of another version: what cannot be read is passed over.
        book.add(Some(*peer), address::readable(*peer, addresses), Found::Remembered, now);
    }
    Ok(book)
}

fn dial_options(call: Call) -> Option<DialOpts> {
    match call.peer {
        Some(peer) => Some(
            DialOpts::peer_id(peer_id(peer)?)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(call.addresses)
                .build(),
        ),
        None => call.addresses.into_iter().next().map(|address| DialOpts::unknown_peer_id().address(address).build()),
    }
}
