//! What the daemon keeps: the data folder with the store in it, checked, read at the start, closed at the end.

use std::{io, sync::Arc, time::Duration};

use meerkat_core::{Becoming, Engine, ExchangeInput, Exchanges, Identity, Input, Restored, open_epochs};
use meerkat_documents::{Shelf, actor_of};
use meerkat_numberlists::Import;
use meerkat_protocols::{
    batch::{Batch, BatchId},
    chance::Chance,
    facts::Place,
    household::Run,
    letter::SealSecret,
    release::Entrusted,
    wishes::{Edit, Wishes, account_named},
    zone::Zone,
};
use meerkat_store::{CheckError, Folder, Keeper, KeyCase, Lost, Options, Reader, Store};
use tokio::sync::{mpsc, watch};

use crate::{
    clock::Clock,
    identity::Keys,
    machine,
    not_started::NotStarted,
    releasing,
    settings::{Loaded, Pins},
    threads::{NextKey, Stored, Writer, documents},
};

/// Peers of an earlier time, with their addresses.
pub(crate) type Remembered = Vec<(meerkat_protocols::mesh::Peer, Vec<String>)>;

/// The store of a data folder that is ours, and who we are.
pub(crate) struct Kept {
    pub(crate) keeper: Keeper,
    pub(crate) keys: Keys,
    pub(crate) identity: Identity,
    /// What was lost at this start.
    pub(crate) lost: Vec<Lost>,
}

impl Kept {
    /// Opens the store and reads the keys; the first start makes all of them.
    pub(crate) fn open(loaded: &Loaded, folder: &Folder, key: KeyCase, clock: Clock) -> Result<Self, NotStarted> {
        let options = Options { wall: clock.now().wall, ..Options::default() };
        let (store, lost) = Store::open_anyway(folder, key.ring(), options)?;
        let kept = Self::of(Keeper::new(Arc::new(store), key), loaded)?;
        for lost in &lost {
            tracing::error!(lost = lost.words(), "something was lost");
        }
        Ok(Self { lost, ..kept })
    }

    /// Moves the node to another home, in a store that stays open: whatever unlocks it is not asked for again. If the store
    /// does not take it, the node is who it was, and says so.
    pub(crate) fn moved(keeper: Keeper, becoming: &Becoming, loaded: &Loaded) -> Result<Self, NotStarted> {
        match Keys::become_part(keeper.store(), becoming) {
            Ok(()) => tracing::info!("this node is a part of another home now"),
            Err(why) => tracing::error!(%why, "this node could not move to another home and goes on as it was"),
        }
        releasing::leave_members(&keeper);
        keeper.go_on();
        Self::of(keeper, loaded)
    }

    fn of(keeper: Keeper, loaded: &Loaded) -> Result<Self, NotStarted> {
        let store = Arc::clone(keeper.store());
        let keys = Keys::load_or_create(&store)?;
        let place = loaded.settings.node.place.map(|(latitude, longitude)| Place { latitude, longitude });
        let about = machine::about(loaded, &keys);
        let name = loaded.settings.node.name.clone();
        store.set_node(keys.node);
        store.set_home(keys.genesis.home());
        let identity = Identity { name, place, node: keys.node, ..Identity::alone(keys.genesis, about) };
        Ok(Self { keeper, keys, identity, lost: vec![] })
    }
}

/// What was read back.
pub(crate) struct Remade {
    pub(crate) engine: Engine,
    pub(crate) exchanges: Exchanges,
    pub(crate) shelf: Shelf,
    pub(crate) peers: Remembered,
}

/// Checks the store if that is due, and reads from it what the node needs, on a thread where it may take its time.
pub(crate) async fn restore(
    keeper: &Keeper,
    clock: Clock,
    identity: &Identity,
    loaded: &Loaded,
    (secret, run): (SealSecret, Run),
) -> Result<Remade, NotStarted> {
    let zone = crate::zone::of_home(loaded.settings.node.zone.as_deref());
    let (store, identity, pins) = (Arc::clone(keeper.store()), identity.clone(), loaded.settings.pins.clone());
    let entrusted = keeper.release();
    store.set_node(identity.node);
    store.set_home(identity.home());
    let read = tokio::task::spawn_blocking(move || {
        let damage = if store.needs_check(clock.now().wall) { check(&store, clock) } else { None };
        read(&store, clock, identity, &pins, (damage, &secret, run), (zone, entrusted))
    });
    read.await.map_err(io::Error::other)?
}

/// Checks the store and says what is damaged beyond repair, for the person who can change the card.
fn check(store: &Store, clock: Clock) -> Option<String> {
    tracing::info!("checking the store; calls ring meanwhile");
    match store.check(clock.now().wall) {
        Ok(checked) if checked.intact => tracing::info!("the store is as it was written"),
        Ok(_) => tracing::warn!("the store was repaired; what was saved just before the last stop may be gone"),
        Err(why @ CheckError::Damaged { .. }) => {
            tracing::error!(%why, "the store is damaged");
            return Some(why.to_string());
        }
        Err(why) => tracing::error!(%why, "the store could not be checked"),
    }
    None
}

/// Looks every hour whether a week has passed, and then checks between two batches. Calls are decided from memory
/// meanwhile; lists and history say that the store is being checked.
pub(crate) async fn check_weekly(
    store: Arc<Store>,
    clock: Clock,
    writer: Writer,
    reader: watch::Sender<Option<Reader>>,
    engine: mpsc::UnboundedSender<Stored>,
) {
    let reader = Arc::new(reader);
    let hour = Duration::from_secs(3_600);
    let mut hourly = tokio::time::interval_at(tokio::time::Instant::now() + hour, hour);
    loop {
        hourly.tick().await;
        if !store.needs_check(clock.now().wall) {
            continue;
        }
        let (store, reader, engine) = (Arc::clone(&store), Arc::clone(&reader), engine.clone());
        writer.alone(move || {
            reader.send_replace(None);
            if let Some(damage) = check(&store, clock) {
                // An engine that has ended has nobody left to tell.
                let _ = engine.send(Stored::Damaged(damage));
            }
            reader.send_replace(Some(store.reader()));
        });
    }
}

fn read(
    store: &Store,
    clock: Clock,
    identity: Identity,
    pins: &Pins,
    (damage, secret, run): (Option<String>, &SealSecret, Run),
    (zone, entrusted): (Option<Zone>, Option<Entrusted>),
) -> Result<Remade, NotStarted> {
    let reader = store.reader();
    let mut found = reader.restore()?;
    let (mut actor, mut seed, mut chance) = ([0; 16], [0; 8], [0; 32]);
    getrandom::fill(&mut actor).map_err(io::Error::other)?;
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    getrandom::fill(&mut chance).map_err(io::Error::other)?;
    let chunks = std::mem::take(&mut found.documents)
        .into_iter()
        .flat_map(|(id, chunks)| chunks.into_iter().map(move |c| (id, c)));
    let (mut shelf, damages) = Shelf::load(actor_of(identity.node, actor), chunks);
    for (member, document, state) in std::mem::take(&mut found.sync_states) {
        shelf.restore_session(member, document, &state);
    }
    for damage in &damages {
        tracing::error!(?damage, "a document is damaged; what can be read of it is used");
    }
    take_over_accounts(store, &reader, &mut shelf)?;
    let (wishes, pinned) = pin(shelf.wishes().clone(), pins);
    let own_slots = found.own_slots.iter().map(|&(kind, day, next)| ((kind, day), next)).collect();
    let found_imports = std::mem::take(&mut found.imports);
    let count = found_imports.len();
    let imports: Vec<_> =
        found_imports.into_iter().filter_map(|(id, bytes)| Some((id, Import::from_bytes(&bytes).ok()?))).collect();
    found.damaged += count - imports.len();
    let epochs = open_epochs(identity.genesis, identity.node, &found.roster, secret);
    let mut engine = Engine::new(
        identity,
        Restored {
            wishes,
            pinned,
            own_slots,
            logs: reader.logs()?,
            next_call: found.next_call,
            contacts: std::mem::take(&mut found.contacts),
            peers: found.peers.clone(),
            invites: std::mem::take(&mut found.invites),
            chance: Chance::of(chance),
            imports,
            marks: std::mem::take(&mut found.marks),
            roster: std::mem::take(&mut found.roster),
            releases: std::mem::take(&mut found.releases),
            entrusted,
            epochs,
            run,
            machine: machine::kind(),
            zone,
        },
    );
    let mut exchanges = Exchanges::new(u64::from_le_bytes(seed));
    reader.statements(&mut found, |some| {
        for notice in some.iter().filter_map(|(_, sealed)| engine.restore(sealed)) {
            exchanges.handle(clock.mono_ms(), ExchangeInput::Notice(notice));
        }
    })?;
    reader.all_letters(&mut found, |kept| engine.restore_letter(kept))?;
    engine.restored(clock.now());
    let unreadable = found.damaged + damages.len();
    if let Some(damage) = damage.or_else(|| (unreadable > 0).then(|| unreadable_words(unreadable))) {
        engine.handle(clock.now(), Input::Damaged(damage));
    }
    Ok(Remade { engine, exchanges, shelf, peers: found.peers })
}

/// Brings accounts that this node kept for itself into the document that the nodes of the home share. A stop in between
/// does it again; nothing is written twice.
fn take_over_accounts(store: &Store, reader: &Reader, shelf: &mut Shelf) -> Result<(), NotStarted> {
    let (accounts, drops) = meerkat_web::former_accounts(reader)?;
    if drops.is_empty() {
        return Ok(());
    }
    let (mut writes, mut fits) = (Vec::new(), true);
    for (name, account) in accounts {
        if account_named(&shelf.wishes().accounts, &name).is_none() {
            match documents::change(shelf, &Edit::SetAccount(name, account)) {
                Ok(made) => writes.extend(made),
                Err(why) => {
                    tracing::error!(%why, "an account is not taken over and lets nobody in");
                    fits = false;
                }
            }
        }
    }
    store.commit(&Batch { id: BatchId(0), writes })?;
    if fits {
        store.commit_access(&drops)?;
        tracing::info!("the accounts of the page are the whole home's now");
    }
    Ok(())
}

/// This run of the node, told from all others by its number and by chance.
pub(crate) fn run(start: u64) -> io::Result<Run> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).map_err(io::Error::other)?;
    Ok(Run { start, chance })
}

fn unreadable_words(count: usize) -> String {
    if count == 1 { "one saved value cannot be read".into() } else { format!("{count} saved values cannot be read") }
}

/// Puts the values that the configuration file pins over the wishes, and names them.
fn pin(mut wishes: Wishes, pins: &Pins) -> (Wishes, Vec<String>) {
    let mut pinned = Vec::new();
    if let Some(region) = &pins.region {
        wishes.settings.region.clone_from(region);
        pinned.push("region".to_owned());
    }
    if let Some(anonymous) = pins.anonymous {
        wishes.settings.anonymous = anonymous;
        pinned.push("anonymous".to_owned());
    }
    if let Some(invalid) = pins.invalid {
        wishes.settings.invalid = invalid;
        pinned.push("invalid".to_owned());
    }
    (wishes, pinned)
}

/// Makes the key that this node will sign with in another home, for the worker that is asked for it.
pub(crate) fn next_key(store: &Arc<Store>) -> NextKey {
    let store = Arc::clone(store);
    Box::new(move || {
        let made = Keys::next_key(&store);
        made.inspect_err(|why| tracing::error!(%why, "no key to become a member with")).ok()
    })
}

/// Closes the store in order; what still holds it is let go by the end of the process, and the next start checks.
pub(crate) fn close(store: Arc<Store>) {
    match Arc::try_unwrap(store) {
        Ok(store) => {
            if let Err(why) = store.close() {
                tracing::warn!(%why, "the store was not closed in order and is checked at the next start");
            }
        }
        Err(_) => tracing::warn!("the store is still in use and is checked at the next start"),
    }
}
