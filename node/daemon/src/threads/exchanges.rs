//! The thread of exchanges: carries frames between the network and the pure [`Exchanges`], reads from disk what a peer
//! lacks, and hands what came to the engine. Nothing in here waits for one side while another one waits for it.

use std::{collections::VecDeque, thread::JoinHandle, time::Duration};

use meerkat_core::{ExchangeInput, ExchangeNews, ExchangeOutput, Exchanges, Notice};
use meerkat_protocols::{
    mesh::{ExchangeOrder, ExchangeRef},
    statement::StatementId,
};
use meerkat_store::Reader;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::clock::Clock;

/// The exchanges with all their doors, before their thread runs.
pub struct ExchangesThread {
    exchanges: Exchanges,
    clock: Clock,
    network: meerkat_network::Exchanges,
    notices: mpsc::UnboundedReceiver<Notice>,
    news: mpsc::Sender<ExchangeNews>,
    reader: watch::Receiver<Option<Reader>>,
    orders_waiting: VecDeque<ExchangeOrder>,
    news_waiting: VecDeque<ExchangeNews>,
    loads_waiting: VecDeque<(ExchangeRef, Vec<StatementId>)>,
}

impl ExchangesThread {
    /// Starts the thread. It ends with the engine: when nobody sends notices any more.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        exchanges: Exchanges,
        clock: Clock,
        network: meerkat_network::Exchanges,
        notices: mpsc::UnboundedReceiver<Notice>,
        news: mpsc::Sender<ExchangeNews>,
        reader: watch::Receiver<Option<Reader>>,
    ) -> std::io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("exchanges".into()).spawn(move || {
            let this = Self {
                exchanges,
                clock,
                network,
                notices,
                news,
                reader,
                orders_waiting: VecDeque::new(),
                news_waiting: VecDeque::new(),
                loads_waiting: VecDeque::new(),
            };
            runtime.block_on(this.run());
        })
    }

    async fn run(mut self) {
        while let Some(input) = self.next().await {
            self.exchanges.handle(self.clock.mono_ms(), input);
            while let Some(output) = self.exchanges.poll_output() {
                match output {
                    ExchangeOutput::Order(order) => self.orders_waiting.push_back(order),
                    ExchangeOutput::Load(exchange, ids) => self.loads_waiting.push_back((exchange, ids)),
                    ExchangeOutput::News(news) => self.news_waiting.push_back(news),
                }
            }
        }
    }

    /// The next input; `None` when the engine has ended.
    async fn next(&mut self) -> Option<ExchangeInput> {
        loop {
            let idle = Instant::now() + Duration::from_secs(3_600);
            let wake = self.exchanges.next_wakeup().map_or(idle, |at| Instant::from_std(self.clock.instant(at)));
            // Frames are not taken while the engine has not taken what the last ones brought: their senders wait.
            let may_read = self.news_waiting.is_empty();
            tokio::select! {
                biased;
                notice = self.notices.recv() => return notice.map(ExchangeInput::Notice),
                Ok(place) = self.network.orders.reserve(), if !self.orders_waiting.is_empty() => {
                    if let Some(order) = self.orders_waiting.pop_front() {
                        place.send(order);
                    }
                }
                Ok(place) = self.news.reserve(), if !self.news_waiting.is_empty() => {
                    if let Some(news) = self.news_waiting.pop_front() {
                        place.send(news);
                    }
                }
                // While the store is being checked there is nobody to read, and peers wait.
                Ok(reader) = readable(&mut self.reader), if !self.loads_waiting.is_empty() => {
                    if let Some((exchange, ids)) = self.loads_waiting.pop_front() {
                        return Some(ExchangeInput::Loaded(exchange, bodies(&reader, &ids)));
                    }
                }
                Some(event) = self.network.events.recv(), if may_read => return Some(ExchangeInput::Network(event)),
                () = tokio::time::sleep_until(wake) => return Some(ExchangeInput::Wake),
            }
        }
    }
}

pub(super) async fn readable(reader: &mut watch::Receiver<Option<Reader>>) -> Result<Reader, watch::error::RecvError> {
    loop {
        let now = reader.borrow_and_update().clone();
        match now {
            Some(reader) => return Ok(reader),
            None => reader.changed().await?,
        }
    }
}

fn bodies(reader: &Reader, ids: &[StatementId]) -> Vec<Vec<u8>> {
    reader.bodies(ids).unwrap_or_else(|why| {
        tracing::warn!(%why, "statements could not be read for a peer");
        vec![Vec::new(); ids.len()]
    })
}
