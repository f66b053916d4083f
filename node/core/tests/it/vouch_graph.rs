//! The graph of vouches as people look at it.

use meerkat_core::{Command, GraphHome, Reply, VouchGraph};
use meerkat_protocols::statement::{Body, Category};

use crate::world::*;

fn graph(world: &mut World, most: u16) -> VouchGraph {
    match world.ask(Command::VouchGraph { most }) {
        Some(Ok(Reply::VouchGraph(graph))) => *graph,
        other => panic!("always answered: {other:?}"),
    }
}

#[test]
fn it_tells_who_is_how_far_and_through_whom() {
    let mut world = World::answering_for(0, &[1, 2]);
    for sealed in [vouch(1, TODAY, 0, 3), vouch(2, TODAY, 0, 3), vouch(3, TODAY, 0, 4), vouch(3, TODAY, 1, 1)] {
        world.hear(9, &sealed);
    }
    world.hear(9, &report(3, TODAY, 0, SPAMMER, Category::Scam));
    // Home 4 says two things in one slot.
    for whom in [5, 6] {
        world.hear(9, &signed(4, TODAY, 7, Body::Vouch(genesis(whom))));
    }
    let graph = graph(&mut world, 100);
    assert_eq!((graph.at_distance, graph.vouches), ([1, 2, 1, 1, 0, 0], 6));
    let find = |n| graph.homes.iter().position(|known| known.home == home(n)).expect("in the graph");
    let known = |n: u16| -> &GraphHome { &graph.homes[find(n)] };
    assert_eq!((graph.homes[0].home, known(1).distance, known(3).distance), (home(0), 1, 2));
    assert_eq!((known(3).reports, known(3).equivocates, known(4).equivocates), (1, false, true));
    let mut vouchers: Vec<u16> = known(3).vouchers.clone();
    vouchers.sort_unstable();
    let mut both = vec![find(1), find(2)];
    both.sort_unstable();
    assert_eq!(vouchers.iter().map(|place| usize::from(*place)).collect::<Vec<_>>(), both);
}

#[test]
fn it_is_bounded_and_counts_what_it_leaves_out() {
    let mut world = World::answering_for(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let mut next = 13;
    for voucher in 1..=96 {
        for slot in 0..12 {
            world.hear(99, &vouch(voucher, TODAY, slot, next));
            next += 1;
        }
    }
    let whole = graph(&mut world, u16::MAX);
    assert_eq!(whole.homes.len(), usize::from(VouchGraph::MAX_HOMES));
    assert_eq!(whole.at_distance.iter().sum::<u32>(), 1 + 12 + 96 * 12);
    assert!(whole.homes.is_sorted_by_key(|known| known.distance));
    let inside = |place: &u16| usize::from(*place) < whole.homes.len();
    assert!(whole.homes.iter().all(|known| known.vouchers.iter().all(inside)));
    assert_eq!(graph(&mut world, 1).homes.len(), 1);
}
