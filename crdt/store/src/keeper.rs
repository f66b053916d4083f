//! Who keeps the keys of an open store: says how they are kept, keeps them in another way, replaces the data key.

use std::{
    io::Read,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use meerkat_protocols::release::Entrusted;

use crate::{
    KeyCase, KeyMode, LastBackup, MAX_PASS_PHRASE_BYTES, MIN_PASS_PHRASE_CHARS, NotMade, OpenError, Rotation, Store,
    Unpacked, Whom,
    backup::{NotRestored, RestoreAs},
    errors::CommitError,
};

/// How the data key is kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStatus {
    /// In which way.
    pub mode: KeyMode,
    /// How far a rotation is, if one is under way.
    pub rotation: Option<Rotation>,
}

/// Why something about the keys was not done; everything is as before then.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// It is too easily guessed.
    #[error("a pass-phrase for the data has at least {MIN_PASS_PHRASE_CHARS} characters")]
    TooShort,
    /// It is longer than is ever compared.
    #[error("a pass-phrase has at most {MAX_PASS_PHRASE_BYTES} bytes")]
    TooLong,
    /// A rotation is under way.
    #[error("the data key is being replaced; wait until that is done")]
    Rotating,
    /// The key file could not be written.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] CommitError),
}

/// The keeper of an open store's keys. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    case: Mutex<KeyCase>,
    rotation: Mutex<Option<Rotation>>,
    rotating: Mutex<()>,
    backing_up: Mutex<()>,
    stopped: AtomicBool,
    restart: AtomicBool,
}

impl Keeper {
    /// The keeper of this store, opened with this case. If a rotation was stopped half way, [`Keeper::rotate`] goes on
    /// with it.
    #[must_use]
    pub fn new(store: Arc<Store>, case: KeyCase) -> Self {
        let rotation = case.ring().is_rotating().then(Rotation::default);
        Self(Arc::new(Inner {
            store,
            case: Mutex::new(case),
            rotation: Mutex::new(rotation),
            rotating: Mutex::default(),
            backing_up: Mutex::default(),
            stopped: AtomicBool::new(false),
            restart: AtomicBool::new(false),
        }))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// How the key is kept.
    #[must_use]
    pub fn status(&self) -> KeyStatus {
        let rotation = *self.0.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        KeyStatus { mode: self.case().mode(), rotation }
    }

    /// Whether a rotation waits to be gone on with.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        self.case().ring().is_rotating()
    }

    /// Keeps the key beside the data.
    ///
    /// # Errors
    /// [`NotDone`].
    pub fn keep_beside(&self) -> Result<(), NotDone> {
        self.case().keep_beside()?;
        self.forget_members();
        Ok(())
    }

    /// Keeps the key under a pass-phrase. Takes some tenths of a second and 64 MiB.
    ///
    /// # Errors
    /// [`NotDone`].
    pub fn keep_under_pass_phrase(&self, words: &str) -> Result<(), NotDone> {
        if words.chars().count() < MIN_PASS_PHRASE_CHARS {
            return Err(NotDone::TooShort);
        }
        if words.len() > MAX_PASS_PHRASE_BYTES {
            return Err(NotDone::TooLong);
        }
        self.case().keep_under_pass_phrase(words)?;
        self.forget_members();
        Ok(())
    }

    /// Has members give out what opens the key. They must have it durably. Where they are found is noted first, so that a
    /// kill in between leaves no key that nobody is asked for.
    ///
    /// # Errors
    /// [`NotDone`].
    pub fn keep_with_members(&self, entrusted: &Entrusted, whom: &Whom) -> Result<(), NotDone> {
        let mut case = self.case();
        let at_folder = |error| OpenError::of_io(case.folder().path(), error);
        case.folder().note_whom_to_ask(whom).map_err(at_folder)?;
        Ok(case.keep_with_members(entrusted)?)
    }

    /// Notes anew where members are found, if they keep the key.
    pub fn note_whom_to_ask(&self, whom: &Whom) {
        let case = self.case();
        if case.mode() == KeyMode::Member
            && let Err(why) = case.folder().note_whom_to_ask(whom)
        {
            tracing::warn!(%why, "where the household's nodes are found is not noted for the next start");
        }
    }

    fn forget_members(&self) {
        if let Err(why) = self.folder().forget_whom_to_ask() {
            tracing::warn!(%why, "a note of where the household's nodes are found is left over");
        }
    }

    /// What members give out, if they do.
    #[must_use]
    pub fn release(&self) -> Option<Entrusted> {
        self.case().release()
    }

    /// As [`crate::Folder::unpack`]; the key of what is restored is kept in the way in which this one is. A new node is not
    /// known to the members that keep this one's, so its key lies beside then.
    ///
    /// # Errors
    /// As [`crate::Folder::unpack`].
    pub fn unpack(
        &self,
        words: &str,
        as_whom: RestoreAs,
        wall: Option<i64>,
        from: impl Read,
    ) -> Result<Unpacked, NotRestored> {
        let case = self.case().clone();
        let goes_on = as_whom == RestoreAs::Same || case.mode() != KeyMode::Member;
        case.folder().unpack_as(words, (as_whom, wall), goes_on.then_some(&case), from)
    }

    /// Writes a second data key into the key file, with which values are sealed from now on; [`Keeper::rotate`] seals
    /// those that are there.
    ///
    /// # Errors
    /// [`NotDone::File`]; then everything is as before.
    pub fn begin_rotation(&self) -> Result<(), NotDone> {
        let mut case = self.case();
        self.0.store.begin_rotation(&mut case)?;
        self.0.rotation.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        Ok(())
    }

    /// Replaces the data key, or goes on with a replacement that was stopped: seals all values anew in steps, between
    /// which everything else goes on. Blocks until it is done, fails, or [`Keeper::stop`] is called; `false` then.
    ///
    /// # Errors
    /// [`NotDone`]; what was sealed anew stays so, both keys stay known, and it can be called again.
    pub fn rotate(&self) -> Result<bool, NotDone> {
        let _one_at_a_time = self.0.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin_rotation()?;
        while !self.0.stopped.load(Ordering::Acquire) {
            let case = self.case().clone();
            let step = self.0.store.rotate_some(&case)?;
            *self.0.rotation.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
            if step.done {
                self.0.store.end_rotation(&mut self.case())?;
                self.copy_identity()?;
                *self.0.rotation.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the planned backup now, one at a time.
    ///
    /// # Errors
    /// [`NotMade`].
    pub fn make_planned(&self, wall: Option<i64>) -> Result<LastBackup, NotMade> {
        let _one_at_a_time = self.0.backing_up.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.store.make_planned(wall)
    }

    /// Writes the copy by which the node is known again if its store is lost, and how far its event ids go. To be called
    /// at each start, after they were raised.
    ///
    /// # Errors
    /// [`NotDone::File`].
    pub fn copy_identity(&self) -> Result<(), NotDone> {
        let case = self.case().clone();
        Ok(self.0.store.copy_identity(case.folder(), case.ring())?)
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> crate::Folder {
        self.case().folder().clone()
    }

    /// Asks for a new start of the whole node: restored data waits to take its place.
    pub fn ask_for_restart(&self) {
        self.0.restart.store(true, Ordering::Release);
    }

    /// Whether one was asked for.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.0.restart.load(Ordering::Acquire)
    }

    /// Has a rotation stop after its step; the next start goes on.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
    }

    /// The same store goes on being used after a stop: a rotation may run again.
    pub fn go_on(&self) {
        self.0.stopped.store(false, Ordering::Release);
    }

    fn case(&self) -> MutexGuard<'_, KeyCase> {
        self.0.case.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
