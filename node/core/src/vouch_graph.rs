//! Who vouches for whom, as people look at it: the homes that vouches lead to, the nearest first.

use meerkat_protocols::home::HomeId;

use crate::{
    evidence::HomeNo,
    node::Node,
    trust::{Graph, HOPS},
};

/// A home in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphHome {
    /// Its name on the mesh.
    pub home: HomeId,
    /// How many vouches away it is; 0 is this home.
    pub distance: u8,
    /// How many live reports of it this node holds.
    pub reports: u32,
    /// Whether it has contradicted itself under its own signature, so that its word counts for nothing.
    pub equivocates: bool,
    /// Who of [`VouchGraph::homes`] vouches for it, by their places there, the nearest first.
    pub vouchers: Vec<u16>,
}

/// Who vouches for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VouchGraph {
    /// The nearest first; this home is the first.
    pub homes: Vec<GraphHome>,
    /// How many homes there are at each distance, those that are not in `homes` too.
    pub at_distance: [u32; HOPS as usize + 1],
    /// How many vouches there are between all of them.
    pub vouches: usize,
}

impl VouchGraph {
    /// The most homes that are told: some 200 kB as JSON, and more than a picture can show one by one.
    pub const MAX_HOMES: u16 = 1_000;
    /// The most vouchers that are told of one home: a home vouches for at most twelve, but any number may vouch for one.
    pub const MAX_VOUCHERS: usize = 24;
}

impl Node {
    /// The nearest `most` homes.
    pub(crate) fn vouch_graph(&self, most: u16) -> VouchGraph {
        let graph = self.graph.graph();
        let shown = u32::from(most.min(VouchGraph::MAX_HOMES)).min(u32::try_from(graph.len()).unwrap_or(u32::MAX));
        let mut at_distance = [0; HOPS as usize + 1];
        for rank in 0..u32::try_from(graph.len()).unwrap_or(u32::MAX) {
            at_distance[usize::from(graph.distance_at(rank))] += 1;
        }
        let homes = (0..shown).map(|rank| self.graph_home(graph, rank, shown)).collect();
        VouchGraph { homes, at_distance, vouches: graph.vouches() }
    }

    fn graph_home(&self, graph: &Graph, rank: u32, shown: u32) -> GraphHome {
        let no = HomeNo(graph.home_at(rank));
        let vouchers = graph.vouchers(rank).iter().filter(|voucher| **voucher < shown);
        let vouchers = vouchers.filter_map(|voucher| u16::try_from(*voucher).ok());
        GraphHome {
            home: self.evidence.name(no),
            distance: graph.distance_at(rank),
            reports: self.evidence.report_count(no),
            equivocates: self.evidence.equivocates(no),
            vouchers: vouchers.take(VouchGraph::MAX_VOUCHERS).collect(),
        }
    }
}
