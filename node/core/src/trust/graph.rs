//! The homes that vouches lead to, ranked, and who answers for whom among them.

/// How many vouches away a home may be.
pub const HOPS: u8 = 5;
/// What a home passes on at most, its own word included, in hundredths and by its distance. The first entry is this home
/// itself.
pub type Capacities = [u32; HOPS as usize + 1];
/// The capacities in use. What they cost an attacker and what they leave to honest reporters is measured in
/// `design/trust.md`.
pub const CAPACITY: Capacities = [u32::MAX, 300, 100, 50, 25, 10];

/// No rank: no vouch leads there.
const UNRANKED: u32 = u32::MAX;

/// The homes within [`HOPS`] of this one by rank: nearer ones first, and by their order (their names) at one distance.
/// Rank 0 is this home.
#[derive(Debug, Default)]
pub struct Graph {
    /// By home.
    rank: Vec<u32>,
    /// By rank.
    home: Vec<u32>,
    /// By rank.
    distance: Vec<u8>,
    /// By rank: where the list of those who answer for it begins in `vouchers`; one more at the end.
    begins: Vec<u32>,
    /// Ranks, ascending for each home: the nearest first.
    vouchers: Vec<u32>,
}

impl Graph {
    /// The graph seen from `own`. Homes are numbers below `homes`; `order` says which of two stands first whatever their
    /// numbers, and `vouches` appends for whom a home answers.
    #[must_use]
    pub fn build<K: Ord>(own: u32, homes: u32, order: impl Fn(u32) -> K, vouches: impl Fn(u32, &mut Vec<u32>)) -> Self {
        let mut graph = Self { rank: vec![UNRANKED; homes as usize], ..Self::default() };
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut layer = vec![own];
        let mut said = Vec::new();
        for distance in 0..=HOPS {
            layer.sort_by_cached_key(|home| order(*home));
            for home in &layer {
                graph.rank[*home as usize] = u32::try_from(graph.home.len()).unwrap_or(UNRANKED);
                graph.home.push(*home);
                graph.distance.push(distance);
            }
            let mut next = Vec::new();
            for home in layer {
                said.clear();
                vouches(home, &mut said);
                let from = graph.rank[home as usize];
                edges.extend(said.iter().filter(|to| **to != home).map(|to| (*to, from)));
                next.extend(said.iter().filter(|to| graph.rank[**to as usize] == UNRANKED));
            }
            next.sort_unstable();
            next.dedup();
            layer = next;
        }
        graph.join(edges);
        graph
    }

    /// Sorts the edges (to a home, from a rank) by whom they lead to.
    fn join(&mut self, edges: Vec<(u32, u32)>) {
        let ranked = edges.into_iter().map(|(to, from)| (self.rank[to as usize], from));
        let mut edges: Vec<(u32, u32)> = ranked.filter(|(to, _)| *to != UNRANKED && *to != 0).collect();
        edges.sort_unstable();
        edges.dedup();
        self.begins = vec![0; self.home.len() + 1];
        for (to, _) in &edges {
            self.begins[*to as usize + 1] += 1;
        }
        for n in 1..self.begins.len() {
            self.begins[n] += self.begins[n - 1];
        }
        self.vouchers = edges.into_iter().map(|(_, from)| from).collect();
    }

    /// How many homes there are, this one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.home.len()
    }

    /// Whether nothing has been built yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.home.is_empty()
    }

    /// How many vouches there are between them.
    #[must_use]
    pub fn vouches(&self) -> usize {
        self.vouchers.len()
    }

    /// How many vouches away a home is, if vouches lead to it.
    #[must_use]
    pub fn distance(&self, home: u32) -> Option<u8> {
        self.rank_of(home).map(|rank| self.distance_at(rank))
    }

    pub(crate) fn rank_of(&self, home: u32) -> Option<u32> {
        self.rank.get(home as usize).copied().filter(|rank| *rank != UNRANKED)
    }

    pub(crate) fn home_at(&self, rank: u32) -> u32 {
        self.home[rank as usize]
    }

    pub(crate) fn distance_at(&self, rank: u32) -> u8 {
        self.distance[rank as usize]
    }

    /// The ranks of those who answer for the home of this rank, the nearest first.
    pub(crate) fn vouchers(&self, rank: u32) -> &[u32] {
        let at = |n: usize| self.begins[n] as usize;
        &self.vouchers[at(rank as usize)..at(rank as usize + 1)]
    }

    /// The homes at most two vouches away, this one included, each with the rank of the one through which it is known:
    /// of several that answer for a home, the first.
    pub(crate) fn near(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let near = (0..).zip(self.distance.iter()).take_while(|(_, distance)| **distance <= 2);
        near.filter_map(|(rank, distance)| {
            let via = if *distance < 2 { rank } else { *self.vouchers(rank).first()? };
            Some((self.home_at(rank), via))
        })
    }

    /// The ranks of the homes that this one answers for itself.
    pub(crate) fn first_hops(&self) -> impl Iterator<Item = u32> + '_ {
        (1..).zip(self.distance.iter().skip(1)).take_while(|(_, distance)| **distance == 1).map(|(rank, _)| rank)
    }
}
