//! Time without service, drawn over what a censor does.

use std::ops::Range;
use std::time::Duration;

use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor,
    SVGBackend, SeriesLabelPosition, WHITE,
};
use relay_sim::population::preset;

use super::scene::{crawler, watcher};
use super::{PATHS, Row, Scene, Watched, rows};

const SIZE: (u32, u32) = (760, 460);
/// What cannot be drawn into a string is a fault of this program.
const DRAWN: &str = "drawing into a string does not fail";
/// A day in which every second was served is drawn as if half a second was not.
const LEAST: f64 = 0.5 / 86_400.0;

const PERCENT: [u8; 8] = [10, 25, 50, 75, 90, 95, 98, 99];
const SWEEPS_S: [u16; 8] = [5, 10, 20, 30, 60, 120, 300, 600];

/// Over the share of relays that is blocked each hour.
#[must_use]
pub fn by_share(seeds: u64) -> String {
    let points = points(&PERCENT, |percent| crawler(*percent), seeds);
    let shares: Vec<f64> = PERCENT.map(f64::from).to_vec();
    let what = ("relays blocked in each hour, %", 0.0..100.0);
    draw(&shares, &points, what, SeriesLabelPosition::UpperLeft)
}

/// Over the time from one look at the line to the next.
#[must_use]
pub fn by_sweep(seeds: u64) -> String {
    let points = points(&SWEEPS_S, |every| watcher(Duration::from_secs((*every).into())), seeds);
    let times: Vec<f64> = SWEEPS_S.map(f64::from).to_vec();
    let what = ("the paths in use are blocked every so many seconds", 0.0..600.0);
    draw(&times, &points, what, SeriesLabelPosition::UpperRight)
}

fn points<X>(values: &[X], censor: impl Fn(&X) -> Watched, seeds: u64) -> Vec<Row> {
    let watched = values.iter().map(censor).collect();
    rows(&[Scene::new("3 KB/s", preset::constant(), watched)], seeds)
}

/// One line for each number of paths.
fn draw(
    values: &[f64],
    rows: &[Row],
    (what, range): (&str, Range<f64>),
    place: SeriesLabelPosition,
) -> String {
    let colours = [RGBColor(30, 90, 180), RGBColor(200, 30, 30), RGBColor(40, 140, 60)];
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        area.fill(&WHITE).expect(DRAWN);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(range, (LEAST..1.0).log_scale())
            .expect(DRAWN);
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE).x_desc(what).y_desc("seconds without 1,000 octets, of all");
        mesh.y_label_formatter(&|share| format!("{share:.5}")).draw().expect(DRAWN);
        for (paths, colour) in PATHS.iter().zip(colours) {
            let of_paths = rows.iter().filter(|row| row.paths == *paths);
            let missed = of_paths.map(|row| (1.0 - row.availability.0).max(LEAST));
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(values.iter().copied().zip(missed), style))
                .expect(DRAWN)
                .label(if *paths == 1 { "1 path".to_owned() } else { format!("{paths} paths") })
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        let mut labels = chart.configure_series_labels();
        labels.background_style(WHITE.mix(0.8)).border_style(BLACK);
        labels.position(place).draw().expect(DRAWN);
        area.present().expect(DRAWN);
    }
    out
}
