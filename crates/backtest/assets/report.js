// What the page can do beyond standing there: theme, reading line, zoom, sorting, plans in place. Without it nothing is lost.
(() => {
  'use strict';
  var d = document, root = d.documentElement, $ = id => { return d.getElementById(id); };
  var list = (some, each) => { return Array.prototype.map.call(some, each); };

  // Theme: the system's unless the button says otherwise.
  var button = $('th'), dark = matchMedia('(prefers-color-scheme:dark)');
  function theme() { return root.dataset.theme || (dark.matches ? 'dark' : 'light'); }
  function label() { button.textContent = theme() === 'dark' ? 'Light' : 'Dark'; }
  button.hidden = false;
  button.onclick = () => { root.dataset.theme = theme() === 'dark' ? 'light' : 'dark'; label(); };
  dark.addEventListener('change', label);
  label();

  // The reading line: its numbers are the cells of the data table, so that nothing is formatted twice.
  var f = $('f'), table = $('fd');
  if (f && table) {
    var tip = $('tip'), line = f.querySelector('.rd'), rows = table.tBodies[0].rows, at = rows.length - 1, read = false;
    var frame = f.dataset.x.split(' ').map(Number), span = f.dataset.t.split(' ').map(Number), win = span;
    var iso = t => { return new Date(t / 1e6).toISOString(); };
    var times = list(rows, r => { return Date.parse(r.cells[0].textContent.replace(' ', 'T')) * 1e6; });
    var names = list(table.tHead.rows[0].cells, c => { return c.textContent; })
      .filter((c, i) => { return i % 2; }).map(c => { return c.replace(' scaled', ''); });
    var place = t => { return frame[0] + (t - win[0]) / (win[1] - win[0]) * (frame[1] - frame[0]); };
    var when = x => { return win[0] + (x - frame[0]) / (frame[1] - frame[0]) * (win[1] - win[0]); };
    var show = i => {
      at = Math.max(0, Math.min(rows.length - 1, i));
      read = true;
      var x = place(times[at]), cells = rows[at].cells, scale = f.getBoundingClientRect().width / f.viewBox.baseVal.width;
      line.setAttribute('d', x < frame[0] || x > frame[1] ? '' : 'M' + x + ' ' + frame[2] + 'V' + frame[3]);
      var t = d.createElement('table');
      t.createCaption().textContent = cells[0].textContent;
      [['', 'scaled', 'twin']].concat(names.map((n, k) => {
        return [n, cells[2 * k + 1].textContent, cells[2 * k + 2].textContent];
      })).forEach(r => {
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
    var hide = () => { read = false; tip.style.display = 'none'; line.setAttribute('d', ''); };
    var nearest = t => {
      var best = 0;
      times.forEach((u, i) => { if (Math.abs(u - t) < Math.abs(times[best] - t)) best = i; });
      return best;
    };
    var keep = () => {
      var s = [];
      if (win !== span) s.push('from=' + iso(win[0]), 'to=' + iso(win[1]));
      if (read) s.push('at=' + iso(times[at]));
      history.replaceState(null, '', '#' + s.join('&').replace(/\.000Z/g, 'Z'));
    };
    var mouse = e => {
      var box = f.getBoundingClientRect(), x = (e.clientX - box.left) * f.viewBox.baseVal.width / box.width;
      return Math.max(frame[0], Math.min(frame[1], x));
    };

    // Zoom moves what was drawn; the ticks are made anew.
    var svg = (tag, into, set) => {
      var e = d.createElementNS(f.namespaceURI, tag);
      for (var k in set) e.setAttribute(k, set[k]);
      return into.appendChild(e);
    };
    var ticks = f.querySelector('.tk'), first = ticks.innerHTML;
    var zoom = (from, to) => {
      win = to - from < (span[1] - span[0]) * .999 ? [from, to] : span;
      var k = (span[1] - span[0]) / (win[1] - win[0]), x0 = frame[0] * (1 - k) - (win[0] - span[0]) / (win[1] - win[0]) * (frame[1] - frame[0]);
      list(f.querySelectorAll('.z'), g => { g.setAttribute('transform', 'matrix(' + k + ',0,0,1,' + x0 + ',0)'); });
      list(f.querySelectorAll('.zt'), g => {
        var x = g.dataset.x * k + x0;
        g.setAttribute('transform', 'translate(' + (x - g.dataset.x) + ')');
        g.style.display = x < frame[0] - 1 || x > frame[1] + 1 ? 'none' : '';
      });
      ticks.innerHTML = first;
      if (win === span) return;
      ticks.textContent = '';
      var step = [1, 5, 15, 60, 180, 360, 720, 1440, 2880, 7200, 14400, 43200, 129600].map(m => { return m * 6e10; })
        .find(s => { return (win[1] - win[0]) / s < 8; }) || 2592e13;
      for (var t = Math.ceil(win[0] / step) * step; t <= win[1]; t += step) {
        var x = place(t), text = iso(t), day = step >= 864e11 || text.slice(11, 16) === '00:00';
        svg('path', ticks, { class: day && step < 864e11 ? 'yr' : 'gr', d: 'M' + x + ' ' + frame[2] + 'V' + frame[3] });
        svg('text', ticks, { class: 'ax', x: x, y: frame[3] + 20, 'text-anchor': 'middle' }).textContent = day ? text.slice(0, 10) : text.slice(11, 16);
      }
    };
    var start = null, box;
    f.addEventListener('pointermove', e => {
      var x = mouse(e);
      show(nearest(when(x)));
      if (start === null || Math.abs(x - start) < 5) return;
      box = box || svg('rect', f, { class: 'sel', y: frame[2], height: frame[3] - frame[2] });
      box.setAttribute('x', Math.min(x, start));
      box.setAttribute('width', Math.abs(x - start));
    });
    f.addEventListener('pointerdown', e => {
      show(nearest(when(mouse(e))));
      if (e.pointerType === 'touch' || e.button) return;
      start = mouse(e);
      f.setPointerCapture(e.pointerId);
      e.preventDefault();
      f.focus({ preventScroll: true });
    });
    f.addEventListener('pointerup', e => {
      if (box) {
        var a = when(start), b = when(mouse(e));
        box.remove();
        zoom(Math.min(a, b), Math.max(a, b));
      }
      start = box = null;
      keep();
    });
    f.addEventListener('pointerleave', hide);
    f.addEventListener('blur', hide);
    var reset = () => { hide(); zoom(span[0], span[1]); keep(); };
    f.addEventListener('dblclick', reset);
    f.addEventListener('keydown', e => {
      var step = e.shiftKey ? 10 : 1;
      if (e.key === 'ArrowRight') show(at + step);
      else if (e.key === 'ArrowLeft') show(at - step);
      else if (e.key === 'Escape') return reset();
      else return;
      keep();
      e.preventDefault();
    });
    var asked = new URLSearchParams(location.hash.slice(1)), ask = k => { return Date.parse(asked.get(k)) * 1e6; };
    if (ask('from') < ask('to')) zoom(Math.max(span[0], ask('from')), Math.min(span[1], ask('to')));
    if (ask('at')) show(nearest(ask('at')));
    d.querySelector('.zh').hidden = false;
  }

  // A table sorts by the column whose head is pressed: numbers as numbers, what is missing last.
  list(d.querySelectorAll('.so thead th'), th => {
    var b = d.createElement('button'), up = 0;
    b.append(th.textContent);
    th.replaceChildren(b);
    b.onclick = () => {
      var body = th.closest('table').tBodies[0];
      up = up > 0 ? -1 : 1;
      list(th.parentNode.cells, c => { c.removeAttribute('aria-sort'); });
      th.setAttribute('aria-sort', up > 0 ? 'ascending' : 'descending');
      var key = tr => {
        var c = tr.cells[th.cellIndex], s = c.dataset.v || c.textContent.replace(/,/g, '').replace('\u2212', '-');
        return [s, /^[-+.\d]+$/.test(s) ? +s : 0 / 0];
      };
      list(body.rows, tr => { return [key(tr), tr]; }).sort((a, b) => {
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
  d.addEventListener('click', e => {
    var link = e.target.closest('a[href^="#p"]'), plan = link && $(link.getAttribute('href').slice(1));
    if (!plan || !plan.classList.contains('pl')) { if (!pop.contains(e.target)) shut(); return; }
    e.preventDefault();
    var copy = plan.cloneNode(true);
    copy.removeAttribute('id');
    pop.replaceChildren(copy);
    pop.style.display = 'block';
    var box = link.getBoundingClientRect();
    pop.style.left = Math.max(6, Math.min(box.left, root.clientWidth - pop.offsetWidth - 10)) + scrollX + 'px';
    pop.style.top = box.bottom + 8 + scrollY + 'px';
  });
  d.addEventListener('keydown', e => {
    if (e.key === 'Escape') shut();
    if (e.key === 'v' && $('eq') && !e.ctrlKey && !e.metaKey) $('eq').click();
  });

  // The section in view is the current one.
  var links = d.querySelectorAll('nav a');
  addEventListener('scroll', () => {
    var now = links[0];
    links.forEach(a => { var s = $(a.hash.slice(1)); if (s && s.getBoundingClientRect().top < 140) now = a; });
    links.forEach(a => { a === now ? a.setAttribute('aria-current', 'true') : a.removeAttribute('aria-current'); });
  }, { passive: true });
})();
