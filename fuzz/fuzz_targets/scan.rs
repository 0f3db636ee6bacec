//! Any bytes are a program or a clear error, in bounded time; and so is the graph of its functions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::scan::{File, Graph, Image, reachable};

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::read(bytes) else {
        assert!(Graph::read(bytes).is_err());
        return;
    };
    let made = reachable(File { path: "/a", image: &image }, &[], &[]);
    // What is said to be all has no number that was not found.
    assert!(!made.is_closed() || image.unknown.is_empty());
    if let Ok(graph) = Graph::read(bytes) {
        let exports: Vec<&str> = graph.exports().take(16).collect();
        let _ = graph.reach(exports);
    }
});
