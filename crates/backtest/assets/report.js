// What the page can do beyond standing there: theme, reading line, zoom, sorting, plans in place. Without it nothing is lost.
(() => {
  var d = document, root = d.documentElement, $ = id => d.getElementById(id);
  var on = (e, name, what) => e.addEventListener(name, what), put = (e, name, value) => e.setAttribute(name, value);
  var each = (e, what, how) => e.querySelectorAll(what).forEach(how), rect = e => e.getBoundingClientRect();
  var list = (some, each) => Array.from(some, each);

  // Theme: the system's unless the button says otherwise.
  var button = $('th'), dark = matchMedia('(prefers-color-scheme:dark)');
  function theme() { return root.dataset.theme || (dark.matches ? 'dark' : 'light'); }
  function label() { button.textContent = theme() === 'dark' ? 'Light' : 'Dark'; }
  button.hidden = false;
  button.onclick = () => { root.dataset.theme = theme() === 'dark' ? 'light' : 'dark'; label(); };
  on(dark, 'change', label);
  label();

  var iso = t => new Date(t / 1e6).toISOString();
  var svg = (tag, into, set) => {
    var e = d.createElementNS(into.namespaceURI, tag);
    for (var k in set) put(e, k, set[k]);
    return into.appendChild(e);
  };
  // The points of a path as this page writes them: moves and lines, all but the first relative.
  var points = path => {
    var x = 0, y = 0, out = [];
    path.getAttribute('d').replace(/([a-zM])([^a-zM]*)/g, (all, c, rest) => {
      var n = (rest.match(/-?[\d.]+/g) || []).map(Number), i = 0;
      while (i < n.length) {
        if (c === 'M') x = y = 0;
        if (c !== 'v') x += n[i++];
        if (c !== 'h') y += n[i++];
        out.push([x, y]);
      }
    });
    return out;
  };

  // Zoom moves what was drawn along time, prices so that they fill their frame; ticks are made anew.
  var zoomable = (f, hooks) => {
    var num = k => (f.dataset[k] || '').split(' ').map(Number), span = num('t'), [left, right, top, foot] = num('x');
    var [least, most, base] = num('y'), ticks = f.querySelector('.tk'), rows = f.querySelector('.ty');
    var z = { win: span, span: span, frame: [left, right, top, foot] }, first = ticks.innerHTML, levels = rows && rows.innerHTML;
    var wide = right - left, tall = base - top, whole = span[1] - span[0], drawn, start, box;
    var long = () => z.win[1] - z.win[0], inside = x => x >= left && x <= right;
    z.place = t => left + (t - z.win[0]) / long() * wide;
    z.when = x => z.win[0] + (x - left) / wide * long();
    z.to = (from, to) => {
      z.win = to - from < whole * .999 ? [from, to] : span;
      var all = z.win === span, k = whole / long(), x0 = left - left * k - (z.win[0] - span[0]) / long() * wide, ky = 1, y0 = 0;
      if (base && !all) {
        drawn = drawn || points(f.querySelector('.wk,.pc'));
        var ys = drawn.filter(p => inside(p[0] * k + x0)).map(p => p[1]), high = Math.min(...ys);
        if (ys.length > 1) {
          ky = tall * .88 / Math.max(Math.max(...ys) - high, .3);
          y0 = top + tall * .06 - high * ky;
        }
      }
      each(f, '.z', g => {
        var both = g.classList.contains('zy');
        put(g, 'transform', 'matrix(' + [k, 0, 0, both ? ky : 1, x0, both ? y0 : 0] + ')');
      });
      each(f, '.zt,.zm use,.zm text', g => {
        var at = n => +g.getAttribute(n) || 0, from = at('data-x') || at('x'), y = at('y'), x = from * k + x0;
        put(g, 'transform', 'translate(' + [x - from, y && y * ky + y0 - y] + ')');
        g.style.display = inside(x) ? '' : 'none';
      });
      ticks.innerHTML = first;
      if (rows) rows.innerHTML = levels;
      if (all) return;
      ticks.textContent = '';
      var step = [1, 5, 15, 60, 180, 360, 720, 1440, 2880, 7200, 14400, 43200, 129600].map(m => m * 6e10)
        .find(s => long() / s < 8) || 2592e13;
      for (var t = Math.ceil(z.win[0] / step) * step; t <= z.win[1]; t += step) {
        var x = z.place(t), text = iso(t), day = step >= 864e11 || text.slice(11, 16) === '00:00';
        svg('path', ticks, { class: day && step < 864e11 ? 'yr' : 'gr', d: 'M' + x + ' ' + top + 'V' + foot });
        svg('text', ticks, { class: 'ax', x: x, y: foot + 20, 'text-anchor': 'middle' }).textContent = day ? text.slice(0, 10) : text.slice(11, 16);
      }
      if (!rows) return;
      rows.textContent = '';
      var value = y => least + (base - (y - y0) / ky) / tall * (most - least), low = value(base), range = value(top) - low;
      var ten = 10 ** Math.floor(Math.log10(range / 5));
      ten *= [1, 2, 5, 10].find(n => range / ten / n < 7);
      for (var v = Math.ceil(low / ten) * ten; v <= low + range; v += ten) {
        var y = base - (v - low) / range * tall;
        svg('path', rows, { class: 'gr', d: 'M' + left + ' ' + y + 'H' + right });
        svg('text', rows, { class: 'ax', x: left - 8, y: y + 4, 'text-anchor': 'end' }).textContent =
          v.toLocaleString('en-US', { maximumFractionDigits: Math.max(0, -Math.floor(Math.log10(ten) + 1e-9)) });
      }
    };
    var mouse = e => {
      var r = rect(f), x = (e.clientX - r.left) * f.viewBox.baseVal.width / r.width;
      return Math.max(left, Math.min(right, x));
    };
    on(f, 'pointermove', e => {
      var x = mouse(e);
      hooks.move(z.when(x));
      if (!start || Math.abs(x - start) < 5) return;
      box = box || svg('rect', f, { class: 'sel', y: top, height: foot - top });
      put(box, 'x', Math.min(x, start));
      put(box, 'width', Math.abs(x - start));
    });
    on(f, 'pointerdown', e => {
      hooks.move(z.when(mouse(e)));
      if (e.pointerType === 'touch' || e.button || e.target.closest('a')) return;
      start = mouse(e);
      f.setPointerCapture(e.pointerId);
      e.preventDefault();
      f.focus({ preventScroll: true });
    });
    on(f, 'pointerup', e => {
      if (box) {
        var a = z.when(start), b = z.when(mouse(e));
        box.remove();
        z.to(Math.min(a, b), Math.max(a, b));
      }
      start = box = 0;
      hooks.keep();
    });
    var reset = () => { hooks.hide(); z.to(span[0], span[1]); hooks.keep(); };
    on(f, 'dblclick', reset);
    on(f, 'keydown', e => { if (e.key === 'Escape') reset(); });
    return z;
  };
  var none = () => {};
  each(d, '[data-y]', f => zoomable(f, { move: none, keep: none, hide: none }));

  // The reading line: its numbers are the cells of the data table, so that nothing is formatted twice.
  var f = $('f'), table = $('fd');
  if (f && table) {
    var tip = $('tip'), line = f.querySelector('.rd'), rows = table.tBodies[0].rows, at = rows.length - 1, read = false;
    var times = list(rows, r => Date.parse(r.cells[0].textContent.replace(' ', 'T')) * 1e6);
    var names = list(table.tHead.rows[0].cells, c => c.textContent)
      .filter((c, i) => i % 2).map(c => c.replace(' scaled', ''));
    var show = i => {
      at = Math.max(0, Math.min(rows.length - 1, i));
      read = true;
      var frame = z.frame, x = z.place(times[at]), cells = rows[at].cells, scale = rect(f).width / f.viewBox.baseVal.width;
      put(line, 'd', x < frame[0] || x > frame[1] ? '' : 'M' + x + ' ' + frame[2] + 'V' + frame[3]);
      var t = d.createElement('table');
      t.createCaption().textContent = cells[0].textContent;
      [['', 'scaled', 'twin']].concat(names.map((n, k) => [n, cells[2 * k + 1].textContent, cells[2 * k + 2].textContent])).forEach(r => {
        var tr = t.insertRow();
        tr.appendChild(d.createElement('th')).textContent = r[0];
        tr.insertCell().textContent = r[1];
        tr.insertCell().textContent = r[2];
      });
      tip.replaceChildren(t);
      tip.style.display = 'block';
      var left = x * scale + 14;
      if (left + tip.offsetWidth > frame[1] * scale) left = x * scale - tip.offsetWidth - 14;
      tip.style.left = Math.max(0, left) + 'px';
      tip.style.top = 40 * scale + 'px';
    };
    var hide = () => { read = false; tip.style.display = 'none'; put(line, 'd', ''); };
    var nearest = t => {
      var best = 0;
      times.forEach((u, i) => { if (Math.abs(u - t) < Math.abs(times[best] - t)) best = i; });
      return best;
    };
    var keep = () => {
      var s = [];
      if (z.win !== z.span) s.push('from=' + iso(z.win[0]), 'to=' + iso(z.win[1]));
      if (read) s.push('at=' + iso(times[at]));
      history.replaceState(null, '', '#' + s.join('&').replace(/\.000Z/g, 'Z'));
    };
    var z = zoomable(f, { move: t => show(nearest(t)), keep: keep, hide: hide });
    on(f, 'pointerleave', hide);
    on(f, 'blur', hide);
    on(f, 'keydown', e => {
      var step = e.shiftKey ? 10 : 1;
      if (e.key === 'ArrowRight') show(at + step);
      else if (e.key === 'ArrowLeft') show(at - step);
      else return;
      keep();
      e.preventDefault();
    });
    var asked = new URLSearchParams(location.hash.slice(1)), ask = k => Date.parse(asked.get(k)) * 1e6;
    if (ask('from') < ask('to')) z.to(Math.max(z.span[0], ask('from')), Math.min(z.span[1], ask('to')));
    if (ask('at')) show(nearest(ask('at')));
    d.querySelector('.zh').hidden = false;
  }

  // A table sorts by the column whose head is pressed: numbers as numbers, what is missing last.
  each(d, '.so thead th', th => {
    var b = d.createElement('button'), up = 0;
    b.append(th.textContent);
    th.replaceChildren(b);
    b.onclick = () => {
      var body = th.closest('table').tBodies[0];
      up = up > 0 ? -1 : 1;
      list(th.parentNode.cells, c => { c.removeAttribute('aria-sort'); });
      put(th, 'aria-sort', up > 0 ? 'ascending' : 'descending');
      var key = tr => {
        var c = tr.cells[th.cellIndex], s = c.dataset.v || c.textContent.replace(/,/g, '').replace('\u2212', '-');
        return [s, /^[-+.\d]+$/.test(s) ? +s : 0 / 0];
      };
      list(body.rows, tr => [key(tr), tr]).sort((a, b) => {
        var x = a[0], y = b[0];
        var p = x[1] !== x[1], q = y[1] !== y[1];
        return p - q || up * (p ? x[0].localeCompare(y[0]) : x[1] - y[1]);
      }).forEach(r => { body.append(r[1]); });
    };
  });

  // A mark opens its plan beside itself; the link still works where this does not run.
  var pop = d.body.appendChild(d.createElement('div'));
  pop.id = 'pop';
  function shut() { pop.style.display = 'none'; }
  on(d, 'click', e => {
    var link = e.target.closest('a[href^="#p"]'), plan = link && $(link.getAttribute('href').slice(1));
    if (!plan || !plan.classList.contains('pl')) { if (!pop.contains(e.target)) shut(); return; }
    e.preventDefault();
    var copy = plan.cloneNode(true);
    copy.removeAttribute('id');
    pop.replaceChildren(copy);
    pop.style.display = 'block';
    var box = rect(link);
    pop.style.left = Math.max(6, Math.min(box.left, root.clientWidth - pop.offsetWidth - 10)) + scrollX + 'px';
    pop.style.top = box.bottom + 8 + scrollY + 'px';
  });
  on(d, 'keydown', e => {
    if (e.key === 'Escape') shut();
    if (e.key === 'v' && $('eq') && !e.ctrlKey && !e.metaKey) $('eq').click();
  });

  // The section in view is the current one.
  var links = d.querySelectorAll('nav a');
  addEventListener('scroll', () => {
    var now = links[0];
    links.forEach(a => { var s = $(a.hash.slice(1)); if (s && rect(s).top < 140) now = a; });
    links.forEach(a => { a === now ? put(a, 'aria-current', 'true') : a.removeAttribute('aria-current'); });
  }, { passive: true });
})();
