//! Neighbourhoods to attack: honest homes in a small world, made-up ones linked as densely as they may.

/// Chance with a seed, the same everywhere (`SplitMix64`, Steele, Lea and Flood 2014).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n)).unwrap_or(0)
    }

    /// `count` different numbers below `n`.
    pub(crate) fn some_of(&mut self, n: u32, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n).collect();
        for at in 0..count.min(all.len()) {
            let rest = u32::try_from(all.len() - at).unwrap_or(1);
            let other = at + self.below(rest) as usize;
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}

/// The most homes that one answers for.
const MOST: usize = 12;

/// Who answers for whom. Homes below `honest` are honest.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) honest: u32,
    pub(crate) vouches: Vec<Vec<u32>>,
}

impl World {
    /// Honest homes on a ring, each friends with its three next on either side, a share of these friendships (in
    /// hundredths) moved to anywhere (Watts and Strogatz 1998). Friends answer for each other.
    pub(crate) fn small(chance: &mut Chance, honest: u32, moved: u32) -> Self {
        let mut world = Self { honest, vouches: vec![Vec::new(); honest as usize] };
        for home in 0..honest {
            for step in 1..=3 {
                let far = chance.below(100) < moved;
                let other = if far { chance.below(honest) } else { (home + step) % honest };
                world.befriend(home, other);
            }
        }
        world
    }

    fn befriend(&mut self, a: u32, b: u32) {
        let room = |world: &Self, home: u32| world.vouches[home as usize].len() < MOST;
        if a != b && room(self, a) && room(self, b) && !self.vouches[a as usize].contains(&b) {
            self.vouches[a as usize].push(b);
            self.vouches[b as usize].push(a);
        }
    }

    /// Adds made-up homes that answer for each other at random, and has `edges` honest homes answer for one each.
    pub(crate) fn attacked(&self, chance: &mut Chance, sybils: u32, edges: usize) -> Self {
        let mut world = self.clone();
        let first = world.honest;
        for sybil in 0..sybils {
            let friends = chance.some_of_many(sybils, MOST);
            world.vouches.push(friends.into_iter().filter(|other| *other != sybil).map(|n| first + n).collect());
        }
        for home in chance.some_of(first, edges) {
            // A home that already answers for as many as it may gives one up for the made-up one.
            world.vouches[home as usize].truncate(MOST - 1);
            world.vouches[home as usize].push(first + chance.below(sybils));
        }
        world
    }

    /// One honest home turns: all that it answers for are made up, and so on behind.
    pub(crate) fn turned(&self, chance: &mut Chance, sybils: u32) -> (Self, u32) {
        let mut world = self.attacked(chance, sybils, 0);
        let turned = chance.below(world.honest);
        let entries = chance.some_of_many(sybils, MOST);
        world.vouches[turned as usize] = entries.into_iter().map(|n| self.honest + n).collect();
        (world, turned)
    }

    pub(crate) fn homes(&self) -> u32 {
        u32::try_from(self.vouches.len()).unwrap_or(u32::MAX)
    }
}

impl Chance {
    /// A few different numbers below a large `n`.
    fn some_of_many(&mut self, n: u32, count: usize) -> Vec<u32> {
        let mut some = Vec::with_capacity(count);
        while some.len() < count.min(n as usize) {
            let number = self.below(n);
            if !some.contains(&number) {
                some.push(number);
            }
        }
        some
    }
}
