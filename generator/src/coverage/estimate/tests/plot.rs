//! The plot of docs/coverage.md. With `STRAIT_UPDATE_DOCS=1` the test writes it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::super::*;
use super::{Numbers, incidence, tools};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 50.0;
const MOST_PAIRS: f64 = 300.0;
const TESTS: f64 = 300.0;

fn x(tests: f64) -> f64 {
    (LEFT + tests / TESTS * (WIDTH - LEFT - RIGHT)).round()
}

fn y(pairs: f64) -> f64 {
    let share = pairs.min(MOST_PAIRS) / MOST_PAIRS;
    (HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)).round()
}

fn plot() -> String {
    let all = tools();
    let whole = estimate(&incidence(&all)).unwrap();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let mut add = |line: String| writeln!(svg, "{line}").unwrap();
    let text = |x: f64, y: f64, anchor: &str, text: &str| {
        format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>")
    };
    for pairs in [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0] {
        let at = y(pairs);
        add(format!("<path d=\"M{LEFT} {at}H{}\" stroke=\"#ddd\"/>", WIDTH - RIGHT));
        add(text(LEFT - 8.0, at + 4.0, "end", &pairs.to_string()));
    }
    for tests in [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0] {
        add(text(x(tests), HEIGHT - BOTTOM + 18.0, "middle", &tests.to_string()));
    }
    add(text(x(150.0), HEIGHT - 12.0, "middle", "tests"));
    add(text(LEFT, TOP - 8.0, "start", "calls with their arguments"));
    let truth = y(whole.seen as f64);
    add(format!(
        "<path d=\"M{LEFT} {truth}H{}\" stroke=\"#888\" stroke-dasharray=\"5 4\"/>",
        WIDTH - RIGHT
    ));
    add(text(x(298.0), truth - 6.0, "end", "seen in all 300 tests"));
    let points =
        whole.curve.iter().map(|(tests, pairs)| format!("{},{}", x(*tests as f64), y(*pairs)));
    add(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"2\"/>",
        points.collect::<Vec<_>>().join(" ")
    ));
    add(text(x(60.0), y(100.0), "start", "seen after so many tests, on average"));
    let mut numbers = Numbers(5);
    let mut order: Vec<BTreeSet<usize>> = all.clone();
    for at in (1..order.len()).rev() {
        order.swap(at, numbers.below(at + 1));
    }
    for size in [5, 10, 20, 40, 80, 150, 220, 300] {
        let Interval { estimate, low, high } = estimate(&incidence(&order[..size])).unwrap().total;
        let (at, low, high) = (x(size as f64), y(low), y(high));
        add(format!(
            "<path d=\"M{at} {low}V{high}M{} {low}h8m-8 0M{} {high}h8\" stroke=\"#c4581a\" stroke-width=\"1.5\" fill=\"none\"/>",
            at - 4.0,
            at - 4.0
        ));
        add(format!("<circle cx=\"{at}\" cy=\"{}\" r=\"3.5\" fill=\"#c4581a\"/>", y(estimate)));
    }
    add(text(
        x(60.0),
        y(280.0),
        "start",
        "how many there are, estimated from the first tests, with intervals of 95 %",
    ));
    svg.push_str("</svg>\n");
    svg
}

#[test]
fn the_plot_in_the_documentation_is_that_of_the_estimator() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coverage.svg");
    if std::env::var_os("STRAIT_UPDATE_DOCS").is_some() {
        std::fs::write(&path, plot()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == plot(), "docs/coverage.svg is out of date: STRAIT_UPDATE_DOCS=1 writes it");
}
