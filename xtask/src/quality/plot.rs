//! The results as a picture: what a policy allows against what it breaks.

use std::fmt::Write;

use super::app::Class;
use super::policy::Policy;
use super::results::{Measured, Outcome, Results};
use super::table::{self, ratio};

/// One of the two diagrams.
struct Diagram {
    left: f64,
    /// What is on the axis from left to right.
    across: &'static str,
    /// The end of that axis.
    end: f64,
    /// Between two of its marks.
    step: f64,
    figure: fn(&Outcome) -> usize,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 300.0;
const TOP: f64 = 40.0;
const MARGIN: f64 = 60.0;

/// What lies above the highest share of broken checks.
const MOST: f64 = 100.0;

/// Colours that are told apart with the common kinds of colour blindness (Okabe and Ito, 2008).
fn colour(policy: Policy) -> &'static str {
    match policy {
        Policy::List => "#d55e00",
        Policy::ListAndRuntime => "#e69f00",
        Policy::Docker => "#000000",
        Policy::Exact => "#56b4e9",
        Policy::Reach => "#0072b2",
        Policy::Imports => "#009e73",
    }
}

/// The picture, as SVG. Small dots are applications, large ones the means of a policy.
pub fn svg(results: &Results) -> String {
    let policies = results.policies();
    let diagrams = [
        Diagram {
            left: MARGIN,
            across: "calls allowed",
            end: 350.0,
            step: 50.0,
            figure: |outcome| outcome.calls,
        },
        Diagram {
            left: WIDTH + 2.0 * MARGIN + 10.0,
            across: "allowed calls of risk medium or high",
            end: 100.0,
            step: 20.0,
            figure: Outcome::risky,
        },
    ];
    let (width, height) = (2.0 * WIDTH + 3.0 * MARGIN, TOP + HEIGHT + 110.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>What a policy allows against what it breaks</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for diagram in &diagrams {
        diagram.draw(&mut text, results, &policies);
    }
    legend(&mut text, &policies);
    text.push_str("</svg>\n");
    text
}

impl Diagram {
    fn x(&self, value: f64) -> f64 {
        self.left + WIDTH * value.min(self.end) / self.end
    }

    fn draw(&self, text: &mut String, results: &Results, policies: &[Policy]) {
        self.axes(text);
        for policy in policies {
            let colour = colour(*policy);
            for (app, outcome) in outcomes(results, *policy) {
                let (x, y) = (self.x(ratio((self.figure)(outcome), 1)), y(share(app, outcome)));
                let title = format!("{}, {}", app.name, policy.title());
                let _ = writeln!(
                    text,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\" fill-opacity=\"0.35\"><title>{}</title></circle>",
                    escape(&title)
                );
            }
        }
        // Means last, so that no dot hides them.
        for policy in policies {
            let of: Vec<_> = outcomes(results, *policy).collect();
            let figure: usize = of.iter().map(|(_, outcome)| (self.figure)(outcome)).sum();
            let (x, y) = (self.x(ratio(figure, of.len())), y(mean_share(results, *policy)));
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"{}\" stroke=\"#fff\" stroke-width=\"2\"><title>{}, mean</title></circle>",
                colour(*policy),
                escape(policy.title())
            );
        }
    }

    fn axes(&self, text: &mut String) {
        let (left, right, bottom) = (self.left, self.left + WIDTH, TOP + HEIGHT);
        for share in [0.0, 25.0, 50.0, 75.0, MOST] {
            let y = y(share);
            let _ = writeln!(
                text,
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        let mut mark = 0.0;
        while mark <= self.end {
            let x = self.x(mark);
            let _ = writeln!(
                text,
                "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#666\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
                bottom + 19.0
            );
            mark += self.step;
        }
        let _ = writeln!(
            text,
            "<path d=\"M{left} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#666\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{left}\" y=\"{:.1}\">broken checks, %</text>",
            left + WIDTH / 2.0,
            bottom + 40.0,
            escape(self.across),
            TOP - 14.0
        );
    }
}

fn legend(text: &mut String, policies: &[Policy]) {
    let (top, column) = (TOP + HEIGHT + 68.0, 290.0);
    for (index, policy) in policies.iter().enumerate() {
        let x = MARGIN + column * ratio(index % 3, 1);
        let y = top + 22.0 * ratio(index / 3, 1);
        let _ = writeln!(
            text,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            colour(*policy),
            x + 12.0,
            y + 4.0,
            escape(policy.title())
        );
    }
}

fn y(share: f64) -> f64 {
    TOP + HEIGHT * (1.0 - share / MOST)
}

fn outcomes(results: &Results, policy: Policy) -> impl Iterator<Item = (&Measured, &Outcome)> {
    results
        .apps
        .iter()
        .filter_map(move |app| app.policies.get(&policy).map(|outcome| (app, outcome)))
}

/// How many of an application's checks are broken, in percent.
fn share(app: &Measured, outcome: &Outcome) -> f64 {
    let sum = |count: &dyn Fn(Class) -> usize| Class::ALL.into_iter().map(count).sum();
    100.0 * ratio(sum(&|class| outcome.broken(class)), sum(&|class| app.total(class)))
}

/// The same of all applications' checks.
fn mean_share(results: &Results, policy: Policy) -> f64 {
    let sums = table::sums(results);
    let sum = sums.iter().find(|sum| sum.policy == policy);
    sum.map_or(0.0, |sum| {
        let [(events, of), (configurations, of_them)] = sum.broken;
        100.0 * ratio(events + configurations, of + of_them)
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::example;
    use super::*;

    #[test]
    fn each_application_and_each_policy_has_its_dots() {
        let text = svg(&example());
        // In two diagrams, two policies: two applications and a mean each; and the legend.
        assert_eq!(text.matches("<circle").count(), 2 * 2 * 3 + 2);
        assert_eq!(text.matches("<title>one, Strait, reach</title>").count(), 2);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn what_breaks_more_is_higher_and_what_allows_more_is_to_the_right() {
        assert!(y(50.0) < y(10.0));
        let results = example();
        let shares: Vec<f64> =
            outcomes(&results, Policy::Reach).map(|(app, outcome)| share(app, outcome)).collect();
        assert!((shares[0] - 200.0 / 3.0).abs() < 1e-9 && shares[1] == 0.0, "{shares:?}");
        assert!((mean_share(&results, Policy::Reach) - 100.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn names_are_text_and_not_markup() {
        let mut results = example();
        results.apps[0].name = "<b> & \"c\"".to_owned();
        assert!(svg(&results).contains("&lt;b> &amp; &quot;c&quot;, Docker default"));
    }
}
