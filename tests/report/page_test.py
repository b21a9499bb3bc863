"""The sample's page and an empty one in Chromium: page_test.py PAGE EMPTY_PAGE OUTPUTS."""
import base64
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

PAGE = pathlib.Path(sys.argv[1]).resolve()
EMPTY_PAGE = pathlib.Path(sys.argv[2]).resolve()
OUTPUTS = pathlib.Path(sys.argv[3])

# Values of one column of the rows that are shown, as texts.
COLUMN = """return [...document.querySelectorAll('#table tbody:not([hidden]) tr.row > [data-column="' + arguments[0] + '"]')]
    .map(cell => cell.textContent)"""


def open_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = '/usr/bin/chromium'
    profile = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--hide-scrollbars',
                     f'--user-data-dir={profile}'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    options.add_experimental_option('prefs', {'download.default_directory': profile})
    return webdriver.Chrome(service=Service('/usr/bin/chromedriver'), options=options), pathlib.Path(profile)


def number(text):
    match = re.match(r'[-+]?\d+(\.\d+)?', text.replace('\u2212', '-'))
    return float(match.group()) if match else None


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser, cls.downloads = open_browser()
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self):
        self.show(1400, 'light')
        self.browser.get(PAGE.as_uri())

    def tearDown(self):
        errors = [entry for entry in self.browser.get_log('browser') if entry['level'] in ('SEVERE', 'WARNING')]
        self.assertEqual(errors, [])
        requested = [url for url in self.requests() if not url.startswith(('data:', 'blob:'))]
        self.assertLessEqual(set(requested), {PAGE.as_uri(), EMPTY_PAGE.as_uri()})
        self.assertEqual(self.run_script("return performance.getEntriesByType('resource').length"), 0)

    def run_script(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def requests(self):
        messages = [json.loads(entry['message'])['message'] for entry in self.browser.get_log('performance')]
        sent = [message['params'] for message in messages if message['method'] == 'Network.requestWillBeSent']
        # the browser's own first tab asks for its own parts
        return [request['request']['url'] for request in sent if not request['documentURL'].startswith('chrome://')]

    def show(self, width, theme):
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
        self.browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        self.browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': theme}]})

    def column(self, name):
        return self.run_script(COLUMN, name)

    def head(self, name):
        return self.browser.find_element(By.CSS_SELECTOR, f'#table thead th[data-column="{name}"]')

    def sort_by(self, name):
        self.head(name).find_element(By.TAG_NAME, 'button').click()

    def assert_sorted(self, name, descending):
        values = [number(text) for text in self.column(name)]
        known = [value for value in values if value is not None]
        self.assertEqual(values[:len(known)], known, 'absent values are last')
        self.assertEqual(known, sorted(known, reverse=descending))
        self.assertGreater(len(known), 5)

    def test_numeric_columns_sort_both_ways_with_absent_values_last(self):
        for name in ('measured', 'published', 'change', 'size', 'calibrate', 'int8_ms', 'images'):
            self.sort_by(name)
            self.assertEqual(self.head(name).get_attribute('aria-sort'), 'ascending')
            self.assert_sorted(name, descending=False)
            self.sort_by(name)
            self.assertEqual(self.head(name).get_attribute('aria-sort'), 'descending')
            self.assert_sorted(name, descending=True)
        self.assertIn('\u2013', self.column('published'))

    def test_every_column_sorts_and_the_default_order_comes_back(self):
        first = self.column('method')
        for head in self.browser.find_elements(By.CSS_SELECTOR, '#table thead th[data-column]'):
            name = head.get_attribute('data-column')
            self.sort_by(name)
            marked = self.run_script("return [...document.querySelectorAll('#table th[aria-sort=ascending]')].map(e => e.dataset.column)")
            self.assertEqual(marked, [name])
        self.browser.find_element(By.ID, 'default-order').click()
        self.assertEqual(self.column('method'), first)

    def test_the_keyboard_sorts(self):
        button = self.head('method').find_element(By.TAG_NAME, 'button')
        self.run_script('arguments[0].focus()', button)
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        methods = self.column('method')
        self.assertEqual(methods, sorted(methods, key=str.lower))
        self.browser.switch_to.active_element.send_keys(Keys.SPACE)
        self.assertEqual(self.head('method').get_attribute('aria-sort'), 'descending')

    def test_filters(self):
        everything = len(self.column('method'))
        box = self.browser.find_element(By.ID, 'filter')
        box.send_keys('liu2021 4/4 mp')
        self.assertEqual(set(self.column('method')), {'Liu2021'})
        self.assertEqual(self.column('bits'), ['4/4 MP'] * 2)
        self.assertEqual(self.browser.find_element(By.ID, 'shown').text, f'2 of {everything} rows')
        box.clear()
        box.send_keys('not run')
        self.assertEqual(self.column('method'), ['Bit-Split', 'Bit-Split'])
        box.clear()
        box.send_keys(' ')
        Select(self.browser.find_element(By.ID, 'model')).select_by_visible_text('ViT-S')
        self.assertEqual(set(self.column('model')), {'ViT-S'})

    def test_rows_in_trouble_say_why(self):
        states = self.run_script("return [...document.querySelectorAll('#table tbody:not(.group)')].map(e => e.className)")
        for state in ('failed', 'unsupported', 'not_run', 'collapsed', 'warned', 'measured'):
            self.assertIn(state, states)
        notes = self.browser.find_element(By.ID, 'notes').text
        for why in ('is not finite', 'at least 6 bits', 'weights missing', 'collapsed to under half', 'uncommitted', 'out of memory', 'far from the published'):
            self.assertIn(why, notes)
        self.assertIn('2 of 3', self.column('seeds'))
        self.assertIn('~ tied', self.column('standing'))
        self.assertIn('* best', self.column('standing'))

    def test_provenance_of_a_row(self):
        self.browser.find_element(By.ID, 'filter').send_keys('DeiT-T KL 4/4')
        toggle = self.browser.find_element(By.CSS_SELECTOR, '#table tbody:not([hidden]) .toggle')
        toggle.click()
        self.assertEqual(toggle.get_attribute('aria-expanded'), 'true')
        box = self.browser.find_element(By.CSS_SELECTOR, '#table .box')
        data = self.run_script("""return Object.values(JSON.parse(document.getElementById('report-data').textContent).trials)
            .find(trial => trial.model.startsWith('deit') && trial.method === 'kl' && trial.w_bits === 4)""")
        for text in (data['trial_key'], '0123456789abcdef0123456789abcdef01234567-dirty', f"ptqbench reproduce {data['trial_key'][:12]}",
                     'g++ 12.2.0', 'A CPU of 3 GHz', 'avx512f', '32 images', '16.00 GiB', 'rounds=3', '<b>not bold</b>'):
            self.assertIn(text, box.text)
        self.assertEqual(len(box.find_elements(By.CSS_SELECTOR, '.strip .op')), 74)
        cell = box.find_element(By.CSS_SELECTOR, '.strip .op .cell')
        self.assertEqual(cell.get_attribute('title'), 'patch_embed.proj right: 4 bits, symmetric_full, per channel')
        toggle.click()
        self.assertFalse(box.is_displayed())

    def test_paper_beside_ours(self):
        rows = self.browser.find_elements(By.CSS_SELECTOR, '#paper-table tbody tr')
        self.assertEqual(len(rows), 6)
        text = self.browser.find_element(By.ID, 'paper').text
        for part in ('agrees', 'higher', 'lower', 'not comparable', '3 seeds, 1300 images', 'inside the 95 % interval', 'Liu et al. 2021'):
            self.assertIn(part, text)

    def test_bits_and_sensitivity(self):
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, '#bits .strip')), 4)
        heat = self.browser.find_elements(By.CSS_SELECTOR, '#sensitivity table.heat')
        self.assertEqual(len(heat), 5, 'three grids, what is outside the blocks, and one table by block')
        self.assertEqual(len(heat[0].find_elements(By.CSS_SELECTOR, 'tbody td')), 72)
        for width in (1400, 420):
            self.show(width, 'light')
            cut = self.run_script("""return [...document.querySelectorAll('.heat')]
                .filter(table => table.getBoundingClientRect().right > table.parentElement.getBoundingClientRect().right + 1).length""")
            self.assertEqual(cut, 0)
        self.assertIn('=', [cell.text for cell in heat[0].find_elements(By.TAG_NAME, 'td')])
        self.assertRegex(heat[2].find_element(By.TAG_NAME, 'td').get_attribute('title'),
                         r'blocks\.0\.attn\.qkv at 4 bits: \d+\.\d dB; \d+ of 256 images answered otherwise; top-1 \d+\.\d+ %')

    # Chart.js's datasets by label, as {label: [[x, y], ...]}.
    def datasets(self, name):
        return self.run_script("""const chart = Chart.getChart(arguments[0]);
            return Object.fromEntries(chart.data.datasets.map(d => [d.label, d.data.map(p => [p.x, p.y])]))""", f'chart-{name}')

    # Pixels that are not of the ground.
    def drawn_pixels(self, name):
        return self.run_script("""const canvas = document.getElementById(arguments[0]);
            const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let count = 0;
            for (let i = 0; i < all.length; i += 4) if (Math.abs(all[i] - all[0]) + Math.abs(all[i + 1] - all[1]) > 60) ++count;
            return count""", f'chart-{name}')

    def test_charts(self):
        for name in ('size', 'latency'):
            self.assertGreater(self.drawn_pixels(name), 3000)
            front = self.datasets(name)['Pareto front']
            self.assertEqual(front, sorted(front))
            self.assertEqual([y for _, y in front], sorted({y for _, y in front}))
            points = [tuple(point) for label, data in self.datasets(name).items() if label != 'Pareto front' and 'float32' not in label for point in data]
            self.assertTrue(all(any(fx <= x and fy >= y for fx, fy in front) for x, y in points), 'nothing is above the front')
            self.assertTrue({tuple(point) for point in front} <= set(points))
            label = self.browser.find_element(By.ID, f'chart-{name}').get_attribute('aria-label')
            self.assertIn('Pareto front:', label)
        self.assertEqual(self.datasets('size')['float32 (72.15 %)'][0][1], 72.15)

    def test_chart_choices(self):
        before = self.datasets('size')
        self.browser.find_element(By.ID, 'collapsed-size').click()
        self.assertEqual(len(self.datasets('size')['MinMax']), len(before['MinMax']) + 1)
        select = Select(self.browser.find_element(By.ID, 'group-size'))
        self.assertEqual(len(select.options), 2)
        select.select_by_index(1)
        after = self.datasets('size')
        self.assertIn('float32 (81.39 %)', after)
        self.assertNotEqual(before['Pareto front'], after['Pareto front'])
        self.assertEqual(len(Select(self.browser.find_element(By.ID, 'group-latency')).options), 4)

    def test_save_png(self):
        self.browser.execute_cdp_cmd('Page.setDownloadBehavior', {'behavior': 'allow', 'downloadPath': str(self.downloads)})
        self.browser.find_element(By.ID, 'save-size').click()
        saved = self.downloads / 'accuracy-against-size-deit-t-imagenet-1300-images.png'
        for _ in range(100):
            if saved.exists():
                break
            time.sleep(0.1)
        self.assertEqual(saved.read_bytes()[:8], b'\x89PNG\r\n\x1a\n')

    def test_themes(self):
        colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        point = "return Chart.getChart('chart-size').data.datasets[0].borderColor"
        light, light_point = self.run_script(colours), self.run_script(point)
        self.show(1400, 'dark')
        dark, dark_point = self.run_script(colours), self.run_script(point)
        self.assertNotEqual(light[0], dark[0])
        self.assertNotEqual(light[1], dark[1])
        self.assertNotEqual(light_point, dark_point, 'the charts are drawn anew')

    def test_nothing_but_wide_tables_scrolls_sideways(self):
        for width in (1400, 900, 420):
            self.show(width, 'light')
            for toggle in self.browser.find_elements(By.CSS_SELECTOR, '#table .toggle[aria-expanded=false]')[1:3]:
                self.run_script('arguments[0].click()', toggle)
            time.sleep(0.3)
            self.assertLessEqual(self.run_script('return document.documentElement.scrollWidth'), width)
            outside = self.run_script("""return [...document.querySelectorAll('body *')]
                .filter(e => !e.closest('.scroll') && !e.closest('pre') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))""")
            self.assertEqual(outside, [])
            box = self.run_script("return document.querySelector('#table .box').getBoundingClientRect().width")
            self.assertLessEqual(box, width)

    def test_an_empty_report(self):
        self.browser.get(EMPTY_PAGE.as_uri())
        text = self.browser.find_element(By.TAG_NAME, 'body').text
        for part in ('0 rows', 'No measured row of this table has a published figure', 'No quantized row was measured', 'was timed', 'mixes widths', 'No sensitivity study'):
            self.assertIn(part, text)

    def test_without_scripts_the_table_is_text(self):
        self.browser.execute_cdp_cmd('Emulation.setScriptExecutionDisabled', {'value': True})
        try:
            self.browser.refresh()
            text = self.browser.find_element(By.TAG_NAME, 'body').text
        finally:
            self.browser.execute_cdp_cmd('Emulation.setScriptExecutionDisabled', {'value': False})
        self.assertIn('JavaScript', text)
        self.assertIn('RepQ-ViT', text)
        self.assertNotIn('What the columns mean', text)

    def test_pictures(self):
        for width in (1400, 420):
            for theme in ('light', 'dark'):
                self.show(width, theme)
                self.browser.refresh()
                self.run_script("document.querySelectorAll('#table .toggle')[5].click()")
                time.sleep(0.3)
                size = self.run_script('return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]')
                clip = {'x': 0, 'y': 0, 'width': size[0], 'height': size[1], 'scale': 1}
                shot = self.browser.execute_cdp_cmd('Page.captureScreenshot', {'captureBeyondViewport': True, 'clip': clip})
                (OUTPUTS / f'page_{width}_{theme}.png').write_bytes(base64.b64decode(shot['data']))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
