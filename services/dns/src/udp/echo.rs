//! The floor of every name server: the same loop without any DNS work.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_runtime::inherit::Inheritance;

use super::batch::Batch;
use super::serve;
use crate::listen::{CannotListen, Sockets};

/// Sends every datagram back to where it came from.
#[derive(Debug)]
pub struct Echo {
    /// Where, with the port that was really bound.
    pub address: SocketAddr,
    sockets: Vec<Arc<UdpSocket>>,
}

impl Echo {
    /// Binds one socket, as the name server does for each of its threads.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, CannotListen> {
        let bound = Sockets::open(address, 1, &Inheritance::default())?;
        Ok(Self { address: bound.address, sockets: bound.udp })
    }

    /// Serves on this thread, until `stop`. A datagram that is longer than the longest answer of a name server comes back cut.
    ///
    /// # Errors
    /// When the socket keeps failing.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| {
            serve(socket, stop, |batch: &mut Batch| {
                batch.answer(|query, out, _| {
                    let length = query.len().min(out.len());
                    out[..length].copy_from_slice(&query[..length]);
                    length
                });
            })
        })
    }
}
