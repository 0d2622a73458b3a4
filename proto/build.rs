//! Compiles the protos without `protoc`, and embeds their descriptors with comments and `google.api.http` options.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Polder's own files, and the ones of others that they import.
const ROOTS: [&str; 2] = ["proto", "third_party"];

fn main() -> Result<(), Box<dyn Error>> {
    for root in ROOTS {
        println!("cargo:rerun-if-changed={root}");
    }
    let mut files = Vec::new();
    proto_files(Path::new(ROOTS[0]), &mut files)?;
    files.sort();
    // No message of ours refers to it, but it is what errors carry: clients that learn by reflection can print their details.
    files.push(Path::new(ROOTS[1]).join("google/rpc/error_details.proto"));

    let mut compiler = protox::Compiler::new(ROOTS)?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // Encoded by the compiler itself: going through `FileDescriptorSet` would drop the options of extensions.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("polder_descriptors.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;

    let mut set = compiler.file_descriptor_set();
    // Only its options are used, and those are read from the descriptors.
    set.file.retain(|file| !matches!(file.package(), "google.api" | "google.rpc"));
    // Ordered maps: the same message always has the same bytes, which stored records and repeated answers rely on.
    // Messages with a secret are printed by hand.
    let secret = [".polder.lb.v1.BgpPeer", ".polder.state.v1.BgpPeer"];
    tonic_prost_build::configure().btree_map(".").skip_debug(secret).compile_fds(set)?;
    Ok(())
}

/// Adds every `.proto` file below `folder`.
fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
