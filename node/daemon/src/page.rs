//! The page's two doors: the browser's and the command line's.

use std::{io, net::SocketAddr};

use meerkat_web::Wiring;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    local::{OwnerListener, SOCKET},
    not_started::NotStarted,
    settings::Loaded,
    signals::STOP_WITHIN,
};

/// Routes that are told who asks.
type ForBrowsers = axum::extract::connect_info::IntoMakeServiceWithConnectInfo<axum::Router, SocketAddr>;

/// The doors, open.
pub(crate) struct Page {
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Page {
    pub(crate) async fn open(
        loaded: &Loaded,
        wiring: Wiring,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self, NotStarted> {
        let browser = meerkat_web::router(wiring.clone()).into_make_service_with_connect_info::<SocketAddr>();
        Self::serve(loaded, browser, meerkat_web::local_router(wiring), stopped).await
    }

    /// Serves something else than the page at both doors: what a locked node shows.
    pub(crate) async fn serve(
        loaded: &Loaded,
        browser: ForBrowsers,
        terminal: axum::Router,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self, NotStarted> {
        let wished = loaded.settings.web.listen;
        let listener = bind(wished).await.map_err(|why| NotStarted::Page(wished, why))?;
        let address = listener.local_addr()?;
        let path = loaded.settings.data.join(SOCKET);
        let local = OwnerListener::open(&path).map_err(|why| NotStarted::Socket(path, why))?;
        let told = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let browser = axum::serve(listener, browser).with_graceful_shutdown(told(stopped.clone()));
        let terminal = axum::serve(local, terminal.into_make_service()).with_graceful_shutdown(told(stopped));
        let said = |result: io::Result<()>| {
            if let Err(why) = result {
                tracing::error!(%why, "a door of the page is closed");
            }
        };
        let browser = tokio::spawn(async move { said(browser.await) });
        let terminal = tokio::spawn(async move { said(terminal.await) });
        Ok(Self { address, tasks: [browser, terminal] })
    }

    /// Where a browser finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for what is being answered; open event streams are cut at the deadline.
    pub(crate) async fn close(self) {
        for mut task in self.tasks {
            if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// The wished address, or another port of the same host if it is taken: a page elsewhere is better than none.
async fn bind(wished: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(wished).await {
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(%wished, "another program serves at the page's address; a free port is used instead");
            TcpListener::bind((wished.ip(), 0)).await
        }
        other => other,
    }
}
