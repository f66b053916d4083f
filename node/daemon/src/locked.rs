//! The start of a node: its folder, its telephone, its key. While the key is locked every call rings, the page asks for
//! the pass-phrase, and nothing else is there; what unlocks it starts the rest in the same process.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use meerkat_protocols::phone::{Act, Event, Line, LineState};
use meerkat_store::{Folder, KeyCase, KeyFile, KeyMode, UnlockError};
use meerkat_web::{Locked, NotUnlocked, UnlockTry, Waiting};
use tokio::sync::{mpsc, watch};

use crate::{
    asking::Asking,
    clock::Clock,
    greeting, machine,
    not_started::NotStarted,
    page::Page,
    settings::{self, Loaded},
    signals,
};

/// Waiting places for what the telephone gateways report: more calls than a house has telephones for.
const PHONE_QUEUE: usize = 1_024;

/// The telephone lines, which let calls ring until an engine answers.
pub(crate) struct Telephone {
    pub(crate) sip: Option<meerkat_sip::Gateway>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) acts: mpsc::Sender<Act>,
    /// To say again what was said while nobody listened.
    again: mpsc::Sender<Event>,
}

impl Telephone {
    /// Serves the lines of the settings.
    pub(crate) fn start(loaded: &Loaded) -> Self {
        let (events_in, events) = mpsc::channel(PHONE_QUEUE);
        let (acts, acts_out) = mpsc::channel(PHONE_QUEUE);
        let (lines, again) = (loaded.settings.lines.clone(), events_in.clone());
        let sip = meerkat_sip::start(lines, events_in, acts_out, Arc::new(AtomicU64::new(1)));
        let sip = sip.map_err(|why| tracing::error!(%why, "no telephone line is served")).ok();
        Self { sip, events, acts, again }
    }
}

/// Takes the data folder.
pub(crate) fn take(loaded: &Loaded) -> Result<Folder, NotStarted> {
    settings::prepare_data(&loaded.settings.data)?;
    let folder = Folder::take(&loaded.settings.data)?;
    folder.take_in_restored()?;
    Ok(folder)
}

/// The opened key of the folder; `None` if the node was told to stop before somebody unlocked it.
pub(crate) async fn key(
    loaded: &Loaded,
    folder: &Folder,
    telephone: &mut Telephone,
    clock: Clock,
) -> Result<Option<KeyCase>, NotStarted> {
    let Some(file) = KeyFile::read(folder)? else { return Ok(Some(KeyCase::create(folder)?)) };
    match file.open(folder) {
        Ok(case) => Ok(Some(case)),
        Err(UnlockError::OtherMode(_)) => Box::pin(wait_for_key(loaded, folder, &file, telephone, clock)).await,
        Err(why) => Err(NotStarted::Key(why)),
    }
}

async fn wait_for_key(
    loaded: &Loaded,
    folder: &Folder,
    file: &KeyFile,
    telephone: &mut Telephone,
    clock: Clock,
) -> Result<Option<KeyCase>, NotStarted> {
    let (tries_in, mut tries) = mpsc::channel::<UnlockTry>(4);
    let (stop, stopped) = watch::channel(false);
    let waiting = Waiting::default();
    let locked = Locked {
        machine: Arc::new(machine::describe(loaded, meerkat_protocols::mesh::Peer([0; 32]))),
        clock: Arc::new(move || clock.now()),
        tries: tries_in,
        waiting: waiting.clone(),
        by_pass_phrase: file.mode() == KeyMode::PassPhrase,
    };
    let browser = meerkat_web::locked_router(locked.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let page = Page::serve(loaded, browser, meerkat_web::locked_local_router(locked), stopped).await?;
    greeting::locked(&mut std::io::stdout().lock(), &page.url())?;
    tracing::info!(mode = file.mode().word(), "the key is locked: every call rings until it is unlocked");
    let mut missed = Missed::default();
    let mut asking = Asking::start(loaded, folder, file, clock);
    let signal = signals::told();
    tokio::pin!(signal);
    let case = loop {
        tokio::select! {
            () = &mut signal => break None,
            event = telephone.events.recv() => missed.note(event),
            secret = asking.next(&waiting) => match file.open_with(folder, &secret) {
                Ok(case) => break Some(case),
                Err(why) => asking.wrong(&why),
            },
            tried = tries.recv() => {
                let Some((words, told)) = tried else { break None };
                let (file, taken) = (file.clone(), folder.clone());
                let opened = tokio::task::spawn_blocking(move || file.open_with_pass_phrase(&taken, &words)).await;
                match opened.map_err(std::io::Error::other)? {
                    Ok(case) => {
                        // Whoever gave the words may have gone; the node is unlocked all the same.
                        let _ = told.send(Ok(()));
                        break Some(case);
                    }
                    Err(why) => drop(told.send(Err(not_unlocked(&why)))),
                }
            }
        }
    };
    asking.close().await;
    stop.send_replace(true);
    page.close().await;
    for (line, state) in missed.lines {
        // A full queue says that lines report anyway.
        let _ = telephone.again.try_send(Event::Line { line, state });
    }
    tracing::info!(rang = missed.calls, unlocked = case.is_some(), "no longer waiting for the key");
    Ok(case)
}

/// What the telephone reported while there was no engine.
#[derive(Default)]
struct Missed {
    calls: u64,
    lines: BTreeMap<Line, LineState>,
}

impl Missed {
    fn note(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Incoming(_)) => self.calls += 1,
            Some(Event::Line { line, state }) => drop(self.lines.insert(line, state)),
            Some(Event::Ended { .. } | Event::FailedOpen { .. }) | None => {}
        }
    }
}

fn not_unlocked(why: &UnlockError) -> NotUnlocked {
    match why {
        UnlockError::Wrong => NotUnlocked::Wrong,
        UnlockError::OtherMode(_) => NotUnlocked::NotByPassPhrase,
        UnlockError::TooDear(why) => NotUnlocked::Fault(why.clone()),
    }
}
