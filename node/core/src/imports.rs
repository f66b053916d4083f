//! Lists that people of the home imported: one issuer in all, whose word marks a call and never blocks it.

use std::sync::Arc;

use meerkat_numberlists::{Image, Import, ImportId, Listing};
use meerkat_protocols::{
    batch::Write,
    facts::Reason,
    number::E164,
    statement::LIFETIME_DAYS,
    time::{Day, Now},
};

use crate::{
    alarms::Alarm,
    command::{CommandId, Refusal, Reply},
    event::Event,
    node::Node,
    output::{Output, Promise, Urgency},
    trust::age_weight,
};

/// An imported list, for those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportState {
    /// By which it is undone.
    pub id: ImportId,
    /// What people called it.
    pub name: String,
    /// When it was imported.
    pub day: Day,
    /// How many numbers it lists.
    pub numbers: usize,
    /// Of how many blocks of numbers its rows say that they were called from shortly before.
    pub warm_blocks: usize,
    /// What it takes in memory, in bytes.
    pub bytes: usize,
}

/// What the imported lists say of a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Published {
    /// What the word of all lists together weighs by its age, in hundredths.
    pub(crate) weight: u32,
    /// Which list says what.
    pub(crate) listed: Option<Reason>,
    /// Its block is called from these days.
    pub(crate) hot: Option<Reason>,
}

impl Node {
    /// Takes a list in.
    pub(crate) fn import(
        &mut self,
        id: CommandId,
        import: Import,
        kept: Arc<Vec<u8>>,
        replace: bool,
    ) -> Result<(), Refusal> {
        // An import may be megabytes: none waits in memory for a disk that takes nothing.
        if self.stands(&Alarm::NotSaving(String::new())) {
            return Err(Refusal::Busy);
        }
        let old = self.image.named(import.name());
        if old.is_some() && !replace {
            return Err(Refusal::NameTaken);
        }
        let new = self.image.replace(old, import).map_err(|full| Refusal::ImportsFull(full.to_string()))?;
        if let Some(ImportId(old)) = old {
            self.put(Output::Write(Write::DropImport(old), Urgency::Now));
        }
        self.put(Output::Write(Write::Import(new.0, kept), Urgency::Now));
        self.imports_changed(id, Reply::Imported(new));
        Ok(())
    }

    /// Takes a list back.
    pub(crate) fn undo_import(&mut self, id: CommandId, import: ImportId) -> Result<(), Refusal> {
        self.image.undo(import).ok_or(Refusal::NoSuchImport)?;
        self.put(Output::Write(Write::DropImport(import.0), Urgency::Now));
        self.imports_changed(id, Reply::Saved);
        Ok(())
    }

    fn imports_changed(&mut self, id: CommandId, reply: Reply) {
        self.imports = list(&self.image);
        self.put(Output::AfterCommit(Promise::Event(Event::ImportsChanged)));
        self.put(Output::AfterCommit(Promise::Reply(id, reply)));
    }

    /// What the imported lists say of a number.
    pub(crate) fn published(&self, now: Now, number: E164) -> Published {
        let today = self.calendar.day(now);
        let weigh = |listing: &Listing| {
            let day = self.image.get(listing.import).map(Import::day);
            let days = today.zip(day).map_or(0, |(today, day)| today.since(day));
            if days > LIFETIME_DAYS { 0 } else { age_weight(days) }
        };
        let listings = self.image.listings(number).map(|listing| (weigh(&listing), listing));
        let mut listings: Vec<(u32, Listing)> = listings.filter(|(weight, _)| *weight > 0).collect();
        listings.sort_by_key(|(weight, listing)| (*weight, listing.count));
        let hot = if self.settings.ranges { self.hot_range(now, number) } else { None };
        let Some((weight, heaviest)) = listings.pop() else { return Published { hot, ..Published::default() } };
        let name = self.image.get(heaviest.import).map(|import| import.name().to_owned());
        let listed = Reason::Listed {
            list: name.unwrap_or_default(),
            more: u16::try_from(listings.len()).unwrap_or(u16::MAX),
            category: heaviest.category,
            count: heaviest.count,
        };
        Published { weight, listed: Some(listed), hot }
    }

    /// Whether numbers beside this one were lately reported, by whom it may be believed.
    fn hot_range(&self, now: Now, number: E164) -> Option<Reason> {
        let today = now.day()?;
        let list = self.image.imports().find(|(_, import)| import.is_hot(number, today));
        let by_list = list.map(|(_, import)| Reason::HotRange(Some(import.name().to_owned())));
        by_list.or_else(|| self.ranges.is_hot(number, today).then_some(Reason::HotRange(None)))
    }
}

/// All imports, the oldest first.
pub(crate) fn list(image: &Image) -> Arc<Vec<ImportState>> {
    let state = |(id, import): (ImportId, &Import)| ImportState {
        id,
        name: import.name().to_owned(),
        day: import.day(),
        numbers: import.numbers(),
        warm_blocks: import.warm_blocks(),
        bytes: import.bytes(),
    };
    Arc::new(image.imports().map(state).collect())
}
