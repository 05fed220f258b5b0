// What the page can do beyond standing there: theme, one reading line, plans in place. Without it nothing is lost.
(function () {
  'use strict';
  var d = document, root = d.documentElement, $ = function (id) { return d.getElementById(id); };

  // Theme: the system's unless the button says otherwise.
  var button = $('th'), dark = matchMedia('(prefers-color-scheme:dark)');
  function theme() { return root.dataset.theme || (dark.matches ? 'dark' : 'light'); }
  function label() { button.textContent = theme() === 'dark' ? 'Light' : 'Dark'; }
  button.hidden = false;
  button.onclick = function () { root.dataset.theme = theme() === 'dark' ? 'light' : 'dark'; label(); };
  dark.addEventListener('change', label);
  label();

  // The reading line: its numbers are the cells of the data table, so that nothing is formatted twice.
  var f = $('f'), table = $('fd');
  if (f && table) {
    var tip = $('tip'), line = f.querySelector('.rd'), rows = table.tBodies[0].rows, at = rows.length - 1;
    var frame = f.dataset.x.split(' ').map(Number), span = f.dataset.t.split(' ').map(Number);
    var times = Array.prototype.map.call(rows, function (r) { return Date.parse(r.cells[0].textContent.replace(' ', 'T')) * 1e6; });
    var names = Array.prototype.filter.call(table.tHead.rows[0].cells, function (c, i) { return i % 2; })
      .map(function (c) { return c.textContent.replace(' scaled', ''); });
    var place = function (t) { return frame[0] + (t - span[0]) / (span[1] - span[0]) * (frame[1] - frame[0]); };
    var show = function (i) {
      at = Math.max(0, Math.min(rows.length - 1, i));
      var x = place(times[at]), cells = rows[at].cells, scale = f.getBoundingClientRect().width / f.viewBox.baseVal.width;
      line.setAttribute('d', 'M' + x + ' ' + frame[2] + 'V' + frame[3]);
      var t = d.createElement('table');
      t.createCaption().textContent = cells[0].textContent;
      [['', 'scaled', 'twin']].concat(names.map(function (n, k) {
        return [n, cells[2 * k + 1].textContent, cells[2 * k + 2].textContent];
      })).forEach(function (r) {
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
    var hide = function () { tip.style.display = 'none'; line.setAttribute('d', ''); };
    var nearest = function (t) {
      var best = 0;
      times.forEach(function (u, i) { if (Math.abs(u - t) < Math.abs(times[best] - t)) best = i; });
      return best;
    };
    var keep = function () { history.replaceState(null, '', '#at=' + rows[at].cells[0].textContent.replace(' ', 'T')); };
    var point = function (e) {
      var box = f.getBoundingClientRect(), x = (e.clientX - box.left) * f.viewBox.baseVal.width / box.width;
      show(nearest(span[0] + (x - frame[0]) / (frame[1] - frame[0]) * (span[1] - span[0])));
    };
    f.addEventListener('pointermove', point);
    f.addEventListener('pointerdown', point);
    f.addEventListener('click', keep);
    f.addEventListener('pointerleave', hide);
    f.addEventListener('blur', hide);
    f.addEventListener('keydown', function (e) {
      var step = e.shiftKey ? 10 : 1;
      if (e.key === 'ArrowRight') show(at + step);
      else if (e.key === 'ArrowLeft') show(at - step);
      else if (e.key === 'Escape') return hide();
      else return;
      keep();
      e.preventDefault();
    });
    var asked = /^#at=(.+)$/.exec(decodeURIComponent(location.hash));
    if (asked) show(nearest(Date.parse(asked[1]) * 1e6));
  }

  // A mark opens its plan beside itself; the link still works where this does not run.
  var pop = d.body.appendChild(d.createElement('div'));
  pop.id = 'pop';
  function shut() { pop.style.display = 'none'; }
  d.addEventListener('click', function (e) {
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
  d.addEventListener('keydown', function (e) { if (e.key === 'Escape') shut(); });

  // The section in view is the current one.
  var links = d.querySelectorAll('nav a');
  addEventListener('scroll', function () {
    var now = links[0];
    links.forEach(function (a) { var s = $(a.hash.slice(1)); if (s && s.getBoundingClientRect().top < 140) now = a; });
    links.forEach(function (a) { a === now ? a.setAttribute('aria-current', 'true') : a.removeAttribute('aria-current'); });
  }, { passive: true });
})();
