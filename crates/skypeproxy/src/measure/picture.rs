//! What was measured, as a picture: the rate of each direction over time, and a mark for each change.

use std::fmt::Write;

use relay_probe::Estimate;
use tunnel::Measured;

/// Of a path's part of the picture, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;

/// Room for what is written around it.
const MARGIN: f64 = 40.0;

/// Dark enough on white, and told apart without seeing red and green.
const COLOURS: [(&str, &str); 2] = [("to the bridge", "#0b5fa5"), ("from the bridge", "#c25b00")];

/// An SVG document with one diagram below the other.
pub(super) fn of(all: &[Measured]) -> String {
    let paths = all.iter().map(|_| HEIGHT + 2.0 * MARGIN).sum::<f64>();
    let width = WIDTH + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {paths}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut top = MARGIN;
    for measured in all {
        diagram(&mut svg, measured, top);
        top += HEIGHT + 2.0 * MARGIN;
    }
    svg.push_str("</svg>\n");
    svg
}

fn diagram(svg: &mut String, measured: &Measured, top: f64) {
    let seconds = measured.took.as_secs_f64().max(1.0);
    let directions = [&measured.up, &measured.down];
    let steps = directions.map(steps);
    let most = steps.iter().flatten().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let x = |at: f64| MARGIN + at.min(seconds) / seconds * WIDTH;
    let y = |rate: f64| top + HEIGHT - rate / most * HEIGHT;
    let (left, bottom) = (MARGIN, top + HEIGHT);
    let _ = writeln!(
        svg,
        "<path d=\"M{left} {top}V{bottom}H{}\" fill=\"none\" stroke=\"black\"/>\n\
         <text x=\"{left}\" y=\"{}\">{most:.0} octets/s</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{seconds:.0} s</text>",
        left + WIDTH,
        top - 6.0,
        left + WIDTH,
        bottom + 16.0,
    );
    for (number, (((name, colour), steps), estimate)) in
        (1_u8..).zip(COLOURS.iter().zip(&steps).zip(directions))
    {
        let mut line = String::new();
        for (at, rate) in steps {
            let go = if line.is_empty() { "M" } else { "H" };
            let _ = match go {
                "M" => write!(line, "M{:.1} {:.1}", x(*at), y(*rate)),
                _ => write!(line, "H{:.1}V{:.1}", x(*at), y(*rate)),
            };
        }
        if !line.is_empty() {
            let _ = writeln!(
                svg,
                "<path d=\"{line}H{:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                x(seconds)
            );
        }
        for change in &estimate.changes {
            let at = x(change.seen_at);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"{colour}\" stroke-dasharray=\"4\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}: {}</text>",
            left + 160.0 * f64::from(number),
            top - 6.0,
            estimate.kind.name()
        );
    }
}

/// From when on which rate was known.
fn steps(estimate: &Estimate) -> Vec<(f64, f64)> {
    let rates =
        || estimate.changes.iter().filter_map(|change| Some((change.seen_at, change.rate?)));
    let first = rates().next().map(|(_, (before, _))| before).or(estimate.rate);
    let first = first.map(|rate| (0.0, rate));
    first.into_iter().chain(rates().map(|(at, (_, after))| (at, after))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_probe::Change;

    use super::*;

    #[test]
    fn a_change_is_a_step_and_a_mark() {
        let change = Change { seen_at: 60.0, delay_step: None, rate: Some((3_000.0, 1_500.0)) };
        let up = Estimate { rate: Some(1_500.0), changes: vec![change], ..Estimate::default() };
        let took = Duration::from_secs(120);
        let svg = of(&[Measured { up, down: Estimate::default(), round_trip: None, took }]);
        assert!(svg.contains("M40.0 40.0H360.0V140.0H680.0"), "{svg}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 1);
    }
}
