//! Telling nodes what to program.
//!
//! One task, the [`Feed`], follows the store for all streams of a replica. It keeps an `Image`: what there is to tell at one
//! revision, each object encoded once. From batch to batch it finds what looks different and encodes that once too; a stream
//! copies bytes, and computes only what differs from node to node. Changes that come close together are told together.
//!
//! A stream has a place in the feed and holds nothing else, so that a slow one costs nothing: what it missed is gone one day, and
//! then it is ended and starts again from a snapshot.

mod encoded;
mod feed;
mod image;
mod reader;
mod ring;

pub(crate) use encoded::{Encoded, EncodedCodec};
pub(crate) use feed::Feed;
pub(crate) use reader::Reader;
