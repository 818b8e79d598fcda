"use strict";
// The map of stations: points of one request, over outlines that ship with us; no tile server.
(() => {
  const box = document.getElementById("map");
  if (!box) return;

  // What a station counts as, by the statuses of its EVSEs; each has a shape besides its colour.
  const STATES = [
    { name: "available", words: "an EVSE is free", shape: "circle", colour: "--good", when: ["AVAILABLE"] },
    { name: "busy", words: "none is free, some are in use", shape: "square", colour: "--warn", when: ["CHARGING", "RESERVED", "BLOCKED"] },
    { name: "broken", words: "out of order", shape: "triangle", colour: "--bad", when: ["OUTOFORDER", "INOPERATIVE"] },
    { name: "unknown", words: "unknown, planned or removed", shape: "ring", colour: "--idle", when: [] },
  ];
  const PAUSE = 5000;

  const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const stateOf = (statuses) =>
    STATES.find((state) => state.when.some((each) => statuses.includes(each))) ?? STATES.at(-1);

  // Leaflet's canvas draws circles only.
  function trace(context, shape, x, y, r) {
    context.beginPath();
    if (shape === "square") context.rect(x - r, y - r, 2 * r, 2 * r);
    else if (shape === "triangle") {
      context.moveTo(x, y - 1.2 * r);
      context.lineTo(x + 1.2 * r, y + r);
      context.lineTo(x - 1.2 * r, y + r);
      context.closePath();
    } else context.arc(x, y, r, 0, 2 * Math.PI);
  }

  function draw(context, state, x, y, r) {
    trace(context, state.shape, x, y, r);
    context.lineWidth = state.shape === "ring" ? 2 : 1;
    context.fillStyle = colourOf(state.shape === "ring" ? "--card" : state.colour);
    context.strokeStyle = colourOf(state.shape === "ring" ? state.colour : "--card");
    context.fill();
    context.stroke();
  }

  // One drawing of each state, copied ten thousand times: reading colours for each would be slow.
  let stamps = new Map();
  const SIDE = 22;
  function stampOf(state) {
    if (!stamps.has(state.name)) {
      const ratio = window.devicePixelRatio || 1;
      const stamp = document.createElement("canvas");
      stamp.width = stamp.height = SIDE * ratio;
      const context = stamp.getContext("2d");
      context.scale(ratio, ratio);
      draw(context, state, SIDE / 2, SIDE / 2, 6);
      stamps.set(state.name, stamp);
    }
    return stamps.get(state.name);
  }

  const Station = L.CircleMarker.extend({
    _updatePath() {
      const renderer = this._renderer;
      if (!renderer._drawing || this._empty()) return;
      const { x, y } = this._point;
      const stamp = stampOf(this.options.state);
      renderer._ctx.drawImage(stamp, x - SIDE / 2, y - SIDE / 2, SIDE, SIDE);
    },
  });

  const map = L.map(box, { preferCanvas: true, worldCopyJump: true, minZoom: 1, maxZoom: 14, zoomSnap: 0.5 });
  map.attributionControl.setPrefix(false).addAttribution("Outlines: Natural Earth");
  map.setView([30, 10], 2);
  const land = L.geoJSON(null, { interactive: false, style: landStyle });
  const stations = L.layerGroup();
  land.addTo(map);
  stations.addTo(map);

  function landStyle() {
    return { color: colourOf("--faint"), weight: 0.7, fillColor: colourOf("--card"), fillOpacity: 1 };
  }

  function popup(point) {
    const [country, party, id, name, , , statuses] = point;
    const link = document.createElement("a");
    link.href = `/console/stations/${[country, party, id].map(encodeURIComponent).join("/")}`;
    link.textContent = name || id;
    const counts = new Map();
    for (const each of statuses) counts.set(each, (counts.get(each) ?? 0) + 1);
    const told = document.createElement("p");
    told.textContent = [...counts].map(([status, count]) => `${count} ${status}`).join(", ") || "no EVSEs";
    const body = document.createElement("div");
    body.append(link, told);
    return body;
  }

  function legend(totals) {
    const place = document.getElementById("legend");
    place.replaceChildren();
    for (const state of STATES) {
      const entry = document.createElement("span");
      const mark = document.createElement("canvas");
      const stamp = stampOf(state);
      mark.width = stamp.width;
      mark.height = stamp.height;
      mark.getContext("2d").drawImage(stamp, 0, 0);
      mark.className = "mark";
      mark.setAttribute("aria-hidden", "true");
      entry.append(mark, `${totals.get(state.name) ?? 0} ${state.name}: ${state.words}`);
      place.append(entry);
    }
  }

  const markers = new Map();
  let points = [];
  let fitted = false;

  function show() {
    const totals = new Map();
    const seen = new Set();
    for (const point of points) {
      const [country, party, id, , latitude, longitude, statuses] = point;
      const at = [Number(latitude), Number(longitude)];
      if (!at.every(Number.isFinite)) continue;
      const state = stateOf(statuses);
      const key = `${country}*${party}*${id}`;
      totals.set(state.name, (totals.get(state.name) ?? 0) + 1);
      seen.add(key);
      const known = markers.get(key);
      if (known) {
        known.point = point;
        if (!known.getLatLng().equals(at)) known.setLatLng(at);
        if (known.options.state !== state) {
          known.options.state = state;
          known.redraw();
        }
      } else {
        const marker = new Station(at, { radius: 7, state });
        marker.point = point;
        marker.bindPopup((layer) => popup(layer.point));
        markers.set(key, marker.addTo(stations));
      }
    }
    for (const [key, marker] of markers) {
      if (!seen.has(key)) {
        marker.remove();
        stations.removeLayer(marker);
        markers.delete(key);
      }
    }
    legend(totals);
    if (!fitted && markers.size) {
      fitted = true;
      map.fitBounds(L.latLngBounds([...markers.values()].map((each) => each.getLatLng())).pad(0.1), { maxZoom: 9 });
    }
  }

  // Asked for again after something has changed, but seldom: it may be a megabyte.
  let tag = null;
  let asked = 0;
  let waiting = null;
  async function refresh() {
    waiting = null;
    asked = Date.now();
    const headers = tag ? { "If-None-Match": tag } : {};
    try {
      const answer = await fetch(box.dataset.points, { headers, cache: "no-store" });
      if (answer.status === 304 || !answer.ok) return;
      tag = answer.headers.get("ETag");
      points = (await answer.json()).points;
      show();
    } catch (error) {
      // The service is away; the next change asks again, and the list says the same.
      console.warn("The map is not fresh:", error);
    }
  }
  const soon = () => {
    waiting ??= setTimeout(refresh, Math.max(0, asked + PAUSE - Date.now()));
  };

  // Colours follow the scheme of the system.
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    stamps = new Map();
    land.setStyle(landStyle());
    markers.forEach((each) => each.redraw());
    show();
  });
  document.addEventListener("htmx:afterSwap", soon);

  fetch(box.dataset.world)
    .then((answer) => answer.json())
    .then((world) => {
      land.addData(world);
      land.bringToBack();
    })
    .catch((error) => console.warn("The outlines are missing:", error));
  refresh();
})();
