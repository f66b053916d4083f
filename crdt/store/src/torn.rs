//! A disk whose power goes. What was synced stays; of what was written since, any sectors reach the disk and any do not,
//! in any combination, and a file that was made longer or shorter may be so or not. It is in memory and its chance comes
//! from a seed, so a run can be repeated.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

/// What a disk writes whole or not at all. Later disks write 4,096 bytes at once, which tears less.
pub const SECTOR_BYTES: u64 = 512;

/// The disk.
#[derive(Debug)]
pub struct Torn(Mutex<State>);

struct State {
    /// What survives a cut for certain.
    disk: Vec<u8>,
    /// What the running program sees.
    live: Vec<u8>,
    /// What lies between the two, in order.
    pending: Vec<Op>,
    /// Writes, syncs and changes of length until the power goes.
    left: Option<u64>,
    chance: Chance,
}

// What is on the disk is nobody's to print.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} bytes, {} pending, {:?} left)", self.disk.len(), self.pending.len(), self.left)
    }
}

enum Op {
    Length(u64),
    Write(u64, Vec<u8>),
}

/// splitmix64 (Steele, Lea, Flood 2014): enough to choose sectors by.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

impl Torn {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (disk, live, pending) = (vec![], vec![], vec![]);
        Self(Mutex::new(State { disk, live, pending, left: None, chance: Chance::new(seed) }))
    }

    /// The power goes in the middle of the operation after `operations` more: it and all later ones fail.
    pub fn cut_after(&self, operations: u64) {
        self.state().left = Some(operations);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().left == Some(0)
    }

    /// The power goes, if it is not gone yet, and comes back: the disk is what the tearing left of it.
    pub fn restart(&self) {
        self.state().tear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts down to the cut. The operation in which the power goes is begun, not ended.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(gone()),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(gone()) } else { Ok(()) }
            }
        }
    }

    fn tear(&mut self) {
        // Some cuts lose nearly everything, some nearly nothing: each is a case of its own.
        let kept_of_8 = self.chance.below(9);
        for op in std::mem::take(&mut self.pending) {
            match op {
                Op::Length(len) if self.chance.below(8) < kept_of_8 => resize(&mut self.disk, len),
                Op::Length(_) => {}
                Op::Write(offset, data) => self.tear_write(offset, &data, kept_of_8),
            }
        }
        self.live.clone_from(&self.disk);
        self.left = None;
    }

    fn tear_write(&mut self, offset: u64, data: &[u8], kept_of_8: u64) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let in_sector = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(usize::MAX);
            let (sector, after) = rest.split_at(in_sector.min(rest.len()));
            if self.chance.below(8) < kept_of_8 {
                // Beyond the end of a file there is nothing that could be read back.
                let _ = write_at(&mut self.disk, at, sector);
            }
            at += sector.len() as u64;
            rest = after;
        }
    }
}

impl StorageBackend for Torn {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = usize::try_from(offset).map_err(|_| beyond())?;
        let end = start.checked_add(out.len()).ok_or_else(beyond)?;
        out.copy_from_slice(state.live.get(start..end).ok_or_else(beyond)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let power = state.spend();
        state.pending.push(Op::Length(len));
        resize(&mut state.live, len);
        power
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        let State { disk, pending, .. } = &mut *state;
        for op in pending.drain(..) {
            match op {
                Op::Length(len) => resize(disk, len),
                Op::Write(offset, data) => write_at(disk, offset, &data)?,
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.left == Some(0) {
            return Err(gone());
        }
        let power = state.spend();
        write_at(&mut state.live, offset, data)?;
        state.pending.push(Op::Write(offset, data.to_vec()));
        power
    }
}

fn resize(bytes: &mut Vec<u8>, len: u64) {
    bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
}

fn write_at(bytes: &mut [u8], offset: u64, data: &[u8]) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(|_| beyond())?;
    let end = start.checked_add(data.len()).ok_or_else(beyond)?;
    bytes.get_mut(start..end).ok_or_else(beyond)?.copy_from_slice(data);
    Ok(())
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end of the file")
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(disk: &Torn) -> Vec<u8> {
        let mut out = vec![0; usize::try_from(disk.len().unwrap()).unwrap()];
        disk.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_is_torn_by_sectors() {
        let (mut kept, mut lost, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let disk = Torn::new(seed);
            disk.set_len(4 * SECTOR_BYTES).unwrap();
            disk.write(0, &[1; 1_024]).unwrap();
            disk.sync_data().unwrap();
            disk.write(SECTOR_BYTES, &[2; 1_024]).unwrap();
            disk.restart();
            let bytes = content(&disk);
            assert_eq!((bytes.len(), &bytes[..512], &bytes[1_536..]), (2_048, &[1; 512][..], &[0; 512][..]));
            match (bytes[512], bytes[1_024]) {
                (2, 2) => kept += 1,
                (1, 0) => lost += 1,
                (2, 0) | (1, 2) => torn += 1,
                other => panic!("{other:?}"),
            }
            for sector in bytes.chunks(512) {
                assert!(sector.iter().all(|b| *b == sector[0]), "a sector is whole");
            }
        }
        assert!(kept > 20 && lost > 20 && torn > 20, "{kept} {lost} {torn}");
    }

    #[test]
    fn a_length_that_was_not_synced_may_be_lost_with_what_lies_beyond_it() {
        let lengths: std::collections::BTreeSet<u64> = (0..50)
            .map(|seed| {
                let disk = Torn::new(seed);
                disk.set_len(512).unwrap();
                disk.sync_data().unwrap();
                disk.set_len(1_024).unwrap();
                disk.write(512, &[7; 512]).unwrap();
                disk.restart();
                disk.len().unwrap()
            })
            .collect();
        assert_eq!(lengths, [512, 1_024].into());
    }

    #[test]
    fn after_the_cut_nothing_goes_until_the_power_is_back() {
        let disk = Torn::new(1);
        disk.cut_after(2);
        disk.set_len(512).unwrap();
        assert!(disk.write(0, &[1; 10]).is_err() && disk.is_off());
        assert!(disk.sync_data().is_err());
        disk.restart();
        disk.set_len(512).unwrap();
        disk.sync_data().unwrap();
    }
}
