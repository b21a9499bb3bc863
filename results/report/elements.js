// elements.js: the report's data, elements of the page, figures as texts.
'use strict';

const DATA = JSON.parse(document.getElementById('report-data').textContent);
const ABSENT = '\u2013';

// An element; attributes that are null or false are left out, "on..." are listeners.
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ''));
  return element;
}

const byId = id => document.getElementById(id);
const isKnown = value => value !== null && value !== undefined;
const distinct = values => [...new Set(values)];
const fixed = (value, digits) => isKnown(value) ? value.toFixed(digits) : ABSENT;
const percent = fraction => isKnown(fraction) ? (fraction * 100).toFixed(2) : ABSENT;
const megabytes = bytes => isKnown(bytes) ? (bytes / 1e6).toFixed(2) : ABSENT;
const milliseconds = ns => isKnown(ns) ? (ns / 1e6).toFixed(2) : ABSENT;
const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

// "+0.10", "\u22120.46", "0.00".
function points(fraction) {
  if (!isKnown(fraction)) return ABSENT;
  const rounded = Math.round(fraction * 10000) / 100;
  if (rounded === 0) return '0.00';
  return (rounded > 0 ? '+' : '\u2212') + Math.abs(rounded).toFixed(2);
}

function probability(p) {
  if (!isKnown(p)) return ABSENT;
  return p < 0.0001 ? '< 0.0001' : p.toFixed(4);
}

function meanText(row) {
  return percent(row.top1_fraction) + (isKnown(row.top1_sd_fraction) ? ` \u00b1 ${percent(row.top1_sd_fraction)}` : '');
}

const STATUS_TEXT = {measured: 'measured', failed: 'failed', unsupported: 'unsupported', not_run: 'not run'};
const isFloat = row => row.w_bits === 32 && row.a_bits === 32;
const groupName = row => `${row.model} \u00b7 ${row.dataset}`;
const rowName = row => `${row.method} ${row.bits}`;

// Black or white, whichever is easier to read on the colour [r, g, b] (relative luminance of WCAG 2).
function inkOn(colour) {
  const [r, g, b] = colour.map(value => {
    const unit = value / 255;
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}

function paint(element, colour) {
  element.style.background = `rgb(${colour.join(',')})`;
  element.style.color = inkOn(colour);
}

const hexColour = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
